// What one ValidatingAdmissionPolicy says of one request with one set of parameters. Nothing is done about it here; steps tell what they cost.
import type { ValidatingAdmissionPolicySpec } from '#api/generated/types.ts'
import type { CompiledValidatingPolicy, CompiledValidation } from '#api/policies/compile.ts'
import type { Value } from '#lib/cel/values.ts'
import { conditionsHold, Evaluation, type Outcome, OutOfBudget } from './evaluation.ts'
import type { Activation } from './activation.ts'
import type { PolicyCheck } from './policy-metrics.ts'

export interface Verdict {
  admitted: boolean
  message: string
  reason?: string | undefined
  /** Of the validation; 0 for what is wrong with all of them. */
  index: number
  errorType?: PolicyCheck['errorType']
}

export interface Judgement {
  verdicts: Verdict[]
  /** Values to publish, and errors that refuse the request. */
  annotations: ({ key: string; value: string } | { key: string; error: string })[]
}

const MAX_MESSAGE_BYTES = 5 * 1024

export function* judge(
  { failurePolicy, validations = [] }: ValidatingAdmissionPolicySpec,
  compiled: CompiledValidatingPolicy,
  activation: Activation,
): Generator<number, Judgement> {
  const admitted = failurePolicy === 'Ignore'
  const failed = (message: string, errorType: PolicyCheck['errorType'] = 'invalid_error'): Verdict => ({
    admitted,
    message,
    index: 0,
    errorType,
  })
  const evaluation = new Evaluation(activation, compiled.variables)
  const conditions = yield* conditionsHold(evaluation, compiled.matchConditions)
  // A condition that fails and is to be ignored excludes the request.
  if ('error' in conditions) return { verdicts: admitted ? [] : [failed(conditions.error)], annotations: [] }
  if (!conditions.holds) return { verdicts: [], annotations: [] }
  try {
    evaluation.refill()
    const outcomes: Outcome[] = []
    for (const { condition } of compiled.validations) outcomes.push(yield* evaluation.evaluate(condition))
    const verdicts: Verdict[] = []
    for (const [index, outcome] of outcomes.entries()) {
      const one = compiled.validations[index]!
      if ('error' in outcome) verdicts.push({ ...failed(outcome.error, one.condition.program ? 'invalid_error' : 'compile_error'), index })
      else if (outcome.value === true) verdicts.push({ admitted: true, message: '', index })
      else {
        const { message, reason = 'Invalid' } = validations[index] ?? {}
        const text = (yield* composedMessage(evaluation, one)) || message?.trim() || `failed expression: ${one.condition.expression.trim()}`
        verdicts.push({ admitted: false, message: text, reason, index })
      }
    }
    evaluation.refill()
    const annotations: Judgement['annotations'] = []
    for (const one of compiled.auditAnnotations) annotations.push(...annotationOf(one, yield* evaluation.evaluate(one), admitted))
    return { verdicts, annotations }
  } catch (thrown) {
    if (thrown instanceof OutOfBudget) return { verdicts: [failed(thrown.message, 'out_of_budget')], annotations: [] }
    throw thrown
  }
}

/** Empty where there is none, or none that could be shown: the plain message stands in. */
function* composedMessage(evaluation: Evaluation, { messageExpression }: CompiledValidation): Generator<number, string> {
  if (!messageExpression) return ''
  const outcome = yield* evaluation.evaluate(messageExpression)
  if ('error' in outcome || typeof outcome.value !== 'string') return ''
  const text = outcome.value.trim()
  return Buffer.byteLength(text) > MAX_MESSAGE_BYTES || text.includes('\n') ? '' : text
}

function annotationOf({ key }: { key: string }, outcome: Outcome, ignore: boolean): Judgement['annotations'] {
  if ('error' in outcome) return ignore ? [] : [{ key, error: outcome.error }]
  const value = textOf(outcome.value)
  return value ? [{ key, value }] : []
}

const textOf = (value: Value): string => (typeof value === 'string' ? value.trim() : '')
