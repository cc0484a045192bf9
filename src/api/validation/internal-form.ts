// Values as upstream's messages show them: its internal structures in JSON, zeros and nulls included, and the difference between two of them.
import { INTERNAL_SHAPES } from '#api/facts/internal-shapes.ts'
import type { LabelSelector } from '#api/generated/types.ts'
import { goJson } from '#lib/go-text.ts'
import { unifiedDiff } from '#lib/unified-diff.ts'
import { byKey } from '#lib/order.ts'

type Json = Record<string, unknown>

/** What metadata and selectors show: their public names, and only what is set. */
const PUBLIC: Record<string, readonly string[]> = {
  ObjectMeta: ['name', 'generateName', 'namespace', 'labels', 'annotations', 'ownerReferences', 'finalizers'],
  LabelSelector: ['matchLabels', 'matchExpressions'],
}
const ZERO: Record<string, unknown> = { s: '', n: 0, b: false, q: '0' }
/** Of the host, which upstream keeps in the security context. */
const OF_HOST = ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace', 'hostUsers']

export function internalForm(shape: string, value: object | undefined): Json {
  const source = (value ?? {}) as Json
  if (PUBLIC[shape])
    return Object.fromEntries(PUBLIC[shape].flatMap((field) => (isSet(source[field]) ? [[field, sorted(source[field])]] : [])))
  const form: Json = {}
  for (const field of INTERNAL_SHAPES[shape]!.split(' ')) {
    if (field.startsWith('+')) {
      const part = field.slice(1)
      Object.assign(form, internalForm(part, part === 'ObjectMeta' ? (source['metadata'] as Json | undefined) : source))
      continue
    }
    const [spelled = '', type = ''] = field.split(':')
    const [name = '', json = name[0]!.toLowerCase() + name.slice(1)] = spelled.split('=')
    form[name] = valueForm(shape === 'PodSpec' && name === 'SecurityContext' ? hostContext(source) : source[json], type)
  }
  return form
}

export function selectorForm(selector: LabelSelector | undefined): Json | undefined {
  if (!selector) return undefined
  const { matchExpressions, ...labels } = internalForm('LabelSelector', selector) as LabelSelector
  const terms = matchExpressions?.map(({ key, operator, values }) => ({ key, operator, ...(values?.length ? { values } : {}) }))
  return { ...labels, ...(terms ? { matchExpressions: terms } : {}) }
}

/** Labels and the like; none are null. */
export const mapForm = (map: Record<string, string> | undefined) => (map ? sorted(map) : null)

/** What changed from `previous` to `next`, line by line of their internal forms. */
export function difference(shape: string, previous: object | undefined, next: object | undefined): string {
  return unifiedDiff(...([previous, next].map((value) => goJson(internalForm(shape, value), 1)) as [string, string]))
}

function valueForm(value: unknown, type: string): unknown {
  if (type in ZERO) return value ?? ZERO[type]
  if (type.startsWith('[]')) return Array.isArray(value) && value.length > 0 ? value.map((one) => internalForm(type.slice(2), one)) : null
  if (type.startsWith('*')) return value === undefined || value === null ? null : internalForm(type.slice(1), value)
  return type ? internalForm(type, value as object | undefined) : isSet(value) ? sorted(value) : (value ?? null)
}

function hostContext(spec: Json): Json {
  const host = OF_HOST.flatMap((field) => (spec[field] === undefined ? [] : [[field, spec[field]]]))
  return { ...(spec['securityContext'] as Json | undefined), ...Object.fromEntries(host) }
}

const isSet = (value: unknown) =>
  value !== undefined && value !== null && value !== '' && !(typeof value === 'object' && Object.keys(value).length === 0)

/** Maps have no order of their own: upstream shows their keys in order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(byKey))
}
