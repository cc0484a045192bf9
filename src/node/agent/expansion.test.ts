import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expand } from './expansion.ts'

const values: Record<string, string> = { NAME: 'web', EMPTY: '', DOLLAR: '$(NAME)' }
const rows: [text: string, expanded: string][] = [
  ['$(NAME)-1', 'web-1'],
  ['$$(NAME)', '$(NAME)'],
  ['$$$(NAME)', '$web'],
  ['$(MISSING)', '$(MISSING)'],
  ['$(EMPTY)x', 'x'],
  ['$(DOLLAR)', '$(NAME)'],
  ['$NAME $', '$NAME $'],
  ['$(NAME', '$(NAME'],
  ['', ''],
]
for (const [text, expanded] of rows) {
  test(`expand ${JSON.stringify(text)}`, () =>
    assert.equal(
      expand(text, (name) => values[name]),
      expanded,
    ))
}
