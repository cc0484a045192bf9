import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unifiedDiff } from './unified-diff.ts'

const lines = (count: number, change: Record<number, string> = {}) =>
  Array.from({ length: count }, (_, index) => change[index] ?? `l${index}`).join('\n')

const rows: [string, string, string, string][] = [
  ['nothing', 'a\nb', 'a\nb', ''],
  ['one line', 'a', 'b', '@@ -1 +1 @@\n-a\n+b\n'],
  ['an insertion', 'a\nb', 'a\nx\nb', '@@ -1,2 +1,3 @@\n a\n+x\n b\n'],
  ['a deletion', 'a\nx\nb', 'a\nb', '@@ -1,3 +1,2 @@\n a\n-x\n b\n'],
  ['a line before all', 'b\nc', 'a\nb\nc', '@@ -1,2 +1,3 @@\n+a\n b\n c\n'],
  [
    'two changes far apart',
    lines(20),
    lines(20, { 1: 'X', 18: 'Y' }),
    '@@ -1,5 +1,5 @@\n l0\n-l1\n+X\n l2\n l3\n l4\n@@ -16,5 +16,5 @@\n l15\n l16\n l17\n-l18\n+Y\n l19\n',
  ],
  [
    'two changes close together',
    lines(8),
    lines(8, { 0: 'X', 7: 'Y' }),
    '@@ -1,8 +1,8 @@\n-l0\n+X\n l1\n l2\n l3\n l4\n l5\n l6\n-l7\n+Y\n',
  ],
  ['a moved block: the longer run stays', 'a\nb\nc\nd', 'c\nd\na', '@@ -1,4 +1,3 @@\n-a\n-b\n c\n d\n+a\n'],
  [
    'a long text with one line changed',
    lines(5000),
    lines(5000, { 2500: 'X' }),
    '@@ -2498,7 +2498,7 @@\n l2497\n l2498\n l2499\n-l2500\n+X\n l2501\n l2502\n l2503\n',
  ],
]

for (const [what, before, after, expected] of rows)
  test(`unifiedDiff tells of ${what}`, () => assert.equal(unifiedDiff(before, after), expected))

test('unifiedDiff gives up on texts that match in too many ways', () => {
  const text = (count: number) => Array.from({ length: 3000 }, (_, index) => `l${(index * count) % 151}`).join('\n')
  const [before, after] = [text(7), text(11)]
  const lines = unifiedDiff(`same\n${before}\nend`, `same\n${after}\nend`).split('\n')
  assert.ok(lines.includes(' same') && lines.includes(' end'))
  assert.ok(lines.filter((line) => line.startsWith('-')).length > 2000)
})

test('unifiedDiff turns one text into the other', () => {
  // A small generator of its own: the same texts every time.
  let seed = 7
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
  for (let round = 0; round < 200; round++) {
    const text = () => Array.from({ length: 1 + random(30) }, () => `l${random(6)}`)
    const [before, after] = [text(), text()]
    const out: string[] = []
    let at = 0
    for (const line of unifiedDiff(before.join('\n'), after.join('\n')).split('\n').slice(0, -1)) {
      const hunk = /^@@ -(\d+)(?:,(\d+))? /.exec(line)
      if (hunk) {
        const start = Number(hunk[1]) - (hunk[2] === '0' ? 0 : 1)
        while (at < start) out.push(before[at++]!)
      } else if (line.startsWith('+')) out.push(line.slice(1))
      else {
        assert.equal(line.slice(1), before[at])
        if (line.startsWith(' ')) out.push(before[at]!)
        at++
      }
    }
    assert.deepEqual([...out, ...before.slice(at)], after)
  }
})
