import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePattern } from './pattern.ts'

const cases: [pattern: string, fits: string[], fitsNot: string[]][] = [
  ['', ['', 'a'], []],
  ['b', ['abc'], ['ac', '']],
  ['^a|b$', ['ax', 'xb'], ['xax']],
  ['^(a|b)*c?$', ['', 'abab', 'abc'], ['abcc', 'd']],
  ['^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', ['a', 'a-b', '9z'], ['-a', 'a-', 'A', '']],
  ['^\\d{2,3}$', ['12', '123'], ['1', '1234']],
  ['^x{2}y{1,}$', ['xxy', 'xxyyy'], ['xy', 'xx']],
  ['^a{,2}$', ['a{,2}'], ['aa']],
  ['^[^a-c\\]]+$', ['xyz'], ['xa', ']']],
  ['^[]a-]+$', [']-a'], ['b']],
  ['^[[:alpha:]_]+$', ['aZ_'], ['a1']],
  ['^[[:^digit:]]$', ['a', 'ä'], ['1']],
  ['^\\p{Greek}\\pL\\PN$', ['αxy'], ['xxy', 'αx1']],
  ['(?i)^abc$', ['aBC'], ['abd']],
  ['^a(?i:b)c$', ['aBc'], ['ABc', 'aBC']],
  ['(?s)^a.b$', ['a\nb'], ['ab']],
  ['^a.b$', ['a😀b'], ['a\nb']],
  ['(?m)^b$', ['a\nb\nc'], ['abc']],
  ['^b$', ['b'], ['a\nb', 'b\n']],
  ['\\bfoo\\b', ['a foo b', 'foo'], ['foobar']],
  ['foo\\B', ['foobar'], ['foo']],
  ['\\Aa\\z', ['a'], ['ba', 'ab']],
  ['^(?P<name>a)(?<other>b)$', ['ab'], ['a']],
  ['^\\Qa.b\\E$', ['a.b'], ['axb']],
  ['^\\x41\\x{1F600}\\t$', ['A😀\t'], ['A']],
  ['^\\s\\S\\w\\W\\D$', [' a_-x'], ['\u00a0a_-x']],
  ['^(a*)*$', ['', 'aaa'], ['b']],
  ['^a+?b*?$', ['ab', 'a'], ['b']],
]

for (const [pattern, fits, fitsNot] of cases)
  test(`compilePattern reads ${JSON.stringify(pattern)}`, () => {
    const compiled = compilePattern(pattern)!
    for (const text of fits) assert.equal(compiled.test(text), true, JSON.stringify(text))
    for (const text of fitsNot) assert.equal(compiled.test(text), false, JSON.stringify(text))
  })

for (const pattern of [
  '(',
  ')',
  '[',
  'a**',
  '*',
  '(?=a)',
  '(?!a)',
  '(?<=a)',
  '(a)\\1',
  'a{1001}',
  'a{3,2}',
  '[z-a]',
  '\\',
  '\\y',
  '[[:no:]]',
  '\\p{Nothing}',
  '(((a{100}){100}){100}){100}',
  '(((){1000}){1000}){1000}',
])
  test(`compilePattern refuses ${JSON.stringify(pattern)}`, () => {
    assert.equal(compilePattern(pattern), undefined)
  })

test('compilePattern makes what no pattern can hold up: work grows with the text alone', () => {
  for (const pattern of ['^(a+)+$', '^(a|aa)+$', '^([a-z]+){2,50}$', '^(.*a){1,30}$', '(x+x+)+y'])
    assert.equal(compilePattern(pattern)!.test(`${'ax'.repeat(5000)}!`), false)
})
