// Field selectors (`spec.nodeName=a,status.phase!=Failed`) with backslash escapes, matched against what a kind declares in `fields`.
import type { Kind } from './kind.ts'
import type { KubeObject } from './object.ts'
import { StatusError } from './status.ts'

export interface FieldRequirement {
  field: string
  operator: '=' | '!='
  value: string
}

/** All requirements must hold. */
export type FieldSelector = readonly FieldRequirement[]

const MAX_LENGTH = 65_536

export function parseFieldSelector(text: string): FieldSelector {
  if (text.length > MAX_LENGTH) throw bad(`field selector is longer than ${MAX_LENGTH} characters`)
  const terms: FieldRequirement[] = []
  for (const term of splitTerms(text).sort()) {
    if (term === '') continue
    const [, field, sign, value] = /^((?:\\.|[^\\=!]|!(?!=))*?)(==|=|!=)(.*)$/s.exec(term) ?? []
    if (field === undefined) throw bad(`invalid selector: '${text}'; can't understand '${term}'`)
    terms.push({ field, operator: sign === '!=' ? '!=' : '=', value: unescapeValue(value!) })
  }
  return terms
}

/** Refuses fields the kind does not offer, with the text of its conversion. */
export function checkFieldSelector(kind: Pick<Kind<any>, 'fields'>, selector: FieldSelector): void {
  for (const { field } of selector) {
    if (field === 'metadata.name' || field === 'metadata.namespace' || Object.hasOwn(kind.fields ?? {}, field)) continue
    if (kind.fields) throw bad(`field label not supported: ${field}`)
    throw bad(`${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`)
  }
}

export function fieldValue<T extends KubeObject>(kind: Pick<Kind<T>, 'fields'>, object: T, field: string): string {
  if (field === 'metadata.name') return object.metadata?.name ?? ''
  if (field === 'metadata.namespace') return object.metadata?.namespace ?? ''
  return kind.fields && Object.hasOwn(kind.fields, field) ? kind.fields[field]!(object) : ''
}

export function matchesFields<T extends KubeObject>(kind: Pick<Kind<T>, 'fields'>, selector: FieldSelector, object: T): boolean {
  return matchesValues(selector, (field) => fieldValue(kind, object, field))
}

export function matchesValues(selector: FieldSelector, valueOf: (field: string) => string): boolean {
  for (const { field, operator, value } of selector) if ((valueOf(field) === value) !== (operator === '=')) return false
  return true
}

/** The value a selector demands of a field, if it demands one. */
export function requiredValue(selector: FieldSelector, field: string): string | undefined {
  return selector.find((term) => term.field === field && term.operator === '=')?.value
}

function unescapeValue(text: string): string {
  let value = ''
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!
    if (character === ',' || character === '=') throw bad(`invalid field selector: unescaped character in value: ${character}`)
    if (character !== '\\') {
      value += character
      continue
    }
    const escaped = text[++i]
    if (escaped !== '\\' && escaped !== ',' && escaped !== '=')
      throw bad(`invalid field selector: invalid escape sequence: \\${escaped ?? ''}`)
    value += escaped
  }
  return value
}

/** Splits at commas that no backslash precedes. */
function splitTerms(text: string): string[] {
  const terms: string[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === ',') {
      terms.push(text.slice(start, i))
      start = i + 1
    }
  }
  terms.push(text.slice(start))
  return terms
}

function bad(message: string): StatusError {
  return new StatusError('BadRequest', message)
}
