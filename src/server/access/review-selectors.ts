// The selectors of an access review as the text a request would carry. What cannot be understood is left out and said so:
// requirements hold together, so fewer of them ask for more, never for less.
import { parseFieldSelector } from '#api/field-selector.ts'
import { formatLabelSelector, parseLabelSelector, selectorOf } from '#api/label-selector.ts'
import type { ResourceAttributes } from '#api/generated/types.ts'

type FieldSelectorAttributes = NonNullable<ResourceAttributes['fieldSelector']>
type LabelSelectorAttributes = NonNullable<ResourceAttributes['labelSelector']>

export interface ReadSelector {
  text: string
  /** Some of it, or all, was not understood. */
  ignored?: 'partially ignored' | 'ignored'
}

export function fieldSelectorOf({ rawSelector, requirements = [] }: FieldSelectorAttributes): ReadSelector {
  if (requirements.length === 0) return understood(rawSelector ?? '', () => void parseFieldSelector(rawSelector ?? ''))
  const known = requirements.filter(({ operator, values = [] }) => values.length === 1 && (operator === 'In' || operator === 'NotIn'))
  const text = known.map(({ key, operator, values }) => `${key}${operator === 'In' ? '=' : '!='}${escapeValue(values![0]!)}`).join(',')
  return partial(text, known.length, requirements.length)
}

export function labelSelectorOf({ rawSelector, requirements = [] }: LabelSelectorAttributes): ReadSelector {
  if (requirements.length === 0) return understood(rawSelector ?? '', () => void parseLabelSelector(rawSelector ?? ''))
  const known = requirements.flatMap((one) => {
    try {
      return selectorOf({ matchExpressions: [one] }).requirements
    } catch {
      return []
    }
  })
  return partial(formatLabelSelector({ requirements: known }), known.length, requirements.length)
}

function understood(text: string, parse: () => void): ReadSelector {
  try {
    parse()
    return { text }
  } catch {
    return { text: '', ignored: 'ignored' }
  }
}

const partial = (text: string, known: number, all: number): ReadSelector =>
  known === all ? { text } : { text, ignored: known > 0 ? 'partially ignored' : 'ignored' }

const escapeValue = (value: string): string => value.replace(/[\\,=]/g, '\\$&')
