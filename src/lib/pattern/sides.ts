// What stands left and right of a place in a text, and what a pattern may ask of it.
import type { Look } from './pattern-syntax.ts'

export type Side = 'edge' | 'newline' | 'word' | 'other'

/** The code point that begins there; nothing at the end. */
export function pointAt(text: string, at: number): string {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at)!) : ''
}

export function sideOf(point: string): Side {
  if (point === '\n') return 'newline'
  return /^\w$/.test(point) ? 'word' : 'other'
}

export function holds(look: Look, before: Side, after: Side): boolean {
  switch (look) {
    case 'text-begin':
      return before === 'edge'
    case 'text-end':
      return after === 'edge'
    case 'line-begin':
      return before === 'edge' || before === 'newline'
    case 'line-end':
      return after === 'edge' || after === 'newline'
    case 'word':
      return (before === 'word') !== (after === 'word')
    case 'no-word':
      return (before === 'word') === (after === 'word')
  }
}
