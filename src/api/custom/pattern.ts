// Patterns of custom resources, which are written for Go's engine: its spellings become ours; what both refuse is no pattern.
import { setFlagsFromString } from 'node:v8'

/** Returns undefined for what is no regular expression. */
export function compilePattern(pattern: string): RegExp | undefined {
  // Anyone who may write a definition may write a pattern that backtracks without end: V8 then goes on in linear time, as Go would.
  setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
  const flags = /^\(\?([ims]+)\)/.exec(pattern)
  const spelled = (flags ? pattern.slice(flags[0].length) : pattern)
    .replaceAll('(?P<', '(?<')
    .replaceAll('\\A', '^')
    .replaceAll(/\\[zZ]/g, '$')
    .replaceAll(/\[\[:(\^?)(\w+):\]\]/g, (whole, not: string, name: string) => (CLASSES[name] ? `[${not}${CLASSES[name]}]` : whole))
    .replaceAll(/\[:(\w+):\]/g, (whole, name: string) => CLASSES[name] ?? whole)
  for (const unicode of ['u', '']) {
    try {
      return new RegExp(spelled, unicode + (flags?.[1] ?? ''))
    } catch {
      // Escapes Go permits are errors with the u flag: without it they stand for themselves.
    }
  }
  return undefined
}

const CLASSES: Partial<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  digit: '0-9',
  lower: 'a-z',
  upper: 'A-Z',
  space: '\\s',
  xdigit: '0-9A-Fa-f',
  word: '\\w',
}
