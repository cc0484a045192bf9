// What is wrong with the expressions of a ValidatingAdmissionPolicy for the kinds its rules name: fields they do not have, types that do not fit.
import { listOf, mapOf, Type } from '#api/cel/environment.ts'
import { escapeName } from '#api/cel/escape.ts'
import { schemaType } from '#api/cel/object-types.ts'
import type { ExpressionWarning, ValidatingAdmissionPolicySpec } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { type Compiled, type Compiling, compileValidatingPolicy } from './compile.ts'

/** Kinds there are, in the versions they are served in. */
export type KnownKinds = readonly Kind<any>[]

const MAX_TYPES = 10

/** One warning for each expression, of all kinds it is wrong for. For `paced`. */
export function* expressionWarnings(spec: ValidatingAdmissionPolicySpec, kinds: KnownKinds): Compiling<ExpressionWarning[]> {
  const { paramKind } = spec
  const params = paramKind && kinds.find((kind) => groupVersion(kind) === paramKind.apiVersion && kind.kind === paramKind.kind)
  const found = new Map<string, string[]>()
  for (const kind of namedKinds(spec, kinds)) {
    const known = { object: spelled(schemaType(kind.schema)), ...(params ? { params: spelled(schemaType(params.schema)) } : {}) }
    const { validations } = yield* compileValidatingPolicy(spec, known)
    const expressions = validations.flatMap(({ condition, messageExpression }) => [
      condition,
      ...(messageExpression ? [messageExpression] : []),
    ])
    for (const expression of expressions) {
      const { path, error = '' } = expression
      // In the order in which they are written, whichever kind it is that one is wrong for.
      const warnings = found.get(path) ?? []
      found.set(path, warnings)
      if (fails(expression)) warnings.push(`${kind.group}/${kind.version}, Kind=${kind.kind}: ${error.slice(COMPILATION.length)}\n`)
    }
  }
  return [...found].flatMap(([fieldRef, warnings]) => (warnings.length > 0 ? [{ fieldRef, warning: warnings.join('\n') }] : []))
}

const COMPILATION = 'compilation failed: '

/** What it comes to was judged when the policy was written, and cannot be known better here. */
const fails = ({ error }: Compiled): boolean => error?.startsWith(COMPILATION) === true

const groupVersion = ({ group, version }: Kind): string => (group ? `${group}/${version}` : version)

/** Only what rules spell out; a rule with a wildcard could be about anything. */
function namedKinds({ matchConstraints }: ValidatingAdmissionPolicySpec, kinds: KnownKinds): Kind<any>[] {
  const named = new Set<Kind<any>>()
  for (const { apiGroups = [], apiVersions = [], resources = [] } of matchConstraints?.resourceRules ?? []) {
    if ([...apiGroups, ...apiVersions].some((text) => text.includes('*'))) continue
    const plurals = resources.filter((text) => !/[*/]/.test(text))
    const matching = kinds.filter(
      (kind) => apiGroups.includes(kind.group) && apiVersions.includes(kind.version) && plurals.includes(kind.plural),
    )
    for (const kind of matching.slice(0, MAX_TYPES)) named.add(kind)
    if (matching.length >= MAX_TYPES) break
  }
  const text = (kind: Kind<any>) => `${kind.group}/${kind.version}, Kind=${kind.kind}`
  return [...named].sort((a, b) => (text(a) < text(b) ? -1 : 1))
}

/** Objects of policies are read by their fields' own names, `namespace` too; escaped ones are understood as well. */
function spelled(type: Type): Type {
  if (type.kind === 'list') return listOf(spelled(type.params[0]!))
  if (type.kind === 'map') return mapOf(type.params[0]!, spelled(type.params[1]!))
  if (type.kind !== 'object' || !type.field) return type
  return new Type('object', type.name, {
    field(name) {
      const escaped = escapeName(name)
      const field = type.field!(name) ?? (escaped === undefined ? undefined : type.field!(escaped))
      return field && { ...field, type: spelled(field.type) }
    },
    fieldNames: type.fieldNames,
  })
}
