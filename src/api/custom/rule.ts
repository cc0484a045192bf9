// One validation rule of a custom resource's schema, compiled: what it asks, what it says, what it may cost, and whether it compares with the value before.
import { type CelProgram, CelError, celEnvironment, compileCel } from '#api/cel/environment.ts'
import { kubernetesCalls } from '#api/cel/call-costs.ts'
import type { JSONSchemaProps, ValidationRule } from '#api/generated/types.ts'
import type { Expr } from '#lib/cel/ast.ts'
import { estimateCost } from '#lib/cel/estimate.ts'
import { optionalOf, type Type } from '#lib/cel/types.ts'
import { FieldPathError, fieldPathOf } from './field-path.ts'

export interface CompiledRule {
  rule: ValidationRule
  program?: CelProgram
  /** Makes the message, from the same variables. */
  message?: CelProgram
  error?: string
  messageError?: string
  usesOldSelf: boolean
  /** Estimated, of one evaluation. */
  cost: number
  messageCost: number
  /** Where the error is told, below the value. */
  fieldPath: string
}

/** `type`: of the value the rule is about. An empty rule compiles to nothing. */
export function compileRule(rule: ValidationRule, type: Type, schema: JSONSchemaProps): CompiledRule {
  const compiled: CompiledRule = { rule, usesOldSelf: false, cost: 0, messageCost: 0, fieldPath: pathOf(rule, schema) }
  if (rule.rule.trim() === '') return compiled
  const environment = celEnvironment({ variables: { self: type, oldSelf: rule.optionalOldSelf ? optionalOf(type) : type } })
  try {
    const { program } = (compiled.program = compileCel(rule.rule, environment))
    if (program.type.kind === 'bool') {
      compiled.usesOldSelf = mentions(program.expr, 'oldSelf')
      compiled.cost = estimateCost(program.expr, program.checked, kubernetesCalls)
    } else {
      delete compiled.program
      compiled.error = 'cel expression must evaluate to a bool'
    }
  } catch (error) {
    compiled.error = textOf(error)
  }
  if (!rule.messageExpression) return compiled
  try {
    const { program } = (compiled.message = compileCel(rule.messageExpression, environment))
    if (program.type.kind === 'string') compiled.messageCost = estimateCost(program.expr, program.checked, kubernetesCalls)
    else {
      delete compiled.message
      compiled.messageError = 'messageExpression must evaluate to a string'
    }
  } catch (error) {
    compiled.messageError = `messageExpression ${textOf(error)}`
  }
  return compiled
}

function textOf(error: unknown): string {
  if (error instanceof CelError) return error.message
  throw error
}

function pathOf({ fieldPath }: ValidationRule, schema: JSONSchemaProps): string {
  if (!fieldPath) return ''
  try {
    return fieldPathOf(fieldPath.trim(), schema)
  } catch (error) {
    if (error instanceof FieldPathError) return ''
    throw error
  }
}

/** Whether the expression means that variable: a macro's own of the same name is another. */
function mentions(expr: Expr, name: string): boolean {
  const any = (parts: readonly (Expr | undefined)[]) => parts.some((part) => part !== undefined && mentions(part, name))
  switch (expr.kind) {
    case 'ident':
      return expr.name === name
    case 'select':
      return mentions(expr.operand, name)
    case 'call':
      return any([expr.target, ...expr.args])
    case 'list':
      return any(expr.items.map(({ value }) => value))
    case 'map':
      return any(expr.entries.flatMap(({ key, value }) => [key, value]))
    case 'struct':
      return any(expr.fields.map(({ value }) => value))
    case 'fold': {
      const inner = [expr.variable, expr.second].includes(name) ? [] : [expr.condition, expr.step]
      return any([expr.range, expr.start, ...(expr.accumulator === name ? [] : [...inner, expr.result])])
    }
    default:
      return false
  }
}
