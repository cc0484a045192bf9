import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseYaml, YamlError } from './yaml.ts'

// What kubectl 1.33 says of the same texts.
const MISTAKES: [what: string, text: string, words: string][] = [
  [
    'a tab as indentation',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: a\n',
    'yaml: line 4: found character that cannot start any token',
  ],
  [
    'a tab after text',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: b\n\tc: d\n',
    'yaml: line 7: found a tab character that violates indentation',
  ],
  [
    'a second colon',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: b: c\n',
    'yaml: line 6: mapping values are not allowed in this context',
  ],
  ['a second colon in the first line', 'a: b: c\n', 'yaml: mapping values are not allowed in this context'],
  [
    'too deep an indentation',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n   labels: x\n',
    'yaml: line 5: mapping values are not allowed in this context',
  ],
  [
    'an indentation between two',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n labels: x\n',
    'yaml: line 4: did not find expected key',
  ],
  ['a key without its colon', 'apiVersion: v1\nkind: ConfigMap\nmetadata\n  name: a\n', "yaml: line 4: could not find expected ':'"],
  [
    'a key without its colon at the end',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata\n',
    "yaml: line 6: could not find expected ':'",
  ],
  [
    'a quote that is never closed',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "a\ndata: {}\n',
    'yaml: line 6: found unexpected end of stream',
  ],
  [
    'a single quote that is never closed',
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: 'a\ndata: {}\n",
    'yaml: line 6: found unexpected end of stream',
  ],
  [
    'a brace that is never closed',
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\ndata: {}\n',
    "yaml: line 3: did not find expected ',' or '}'",
  ],
  [
    'a bracket that is never closed',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  finalizers: [a, b\ndata: {}\n',
    "yaml: line 5: did not find expected ',' or ']'",
  ],
  [
    'a bracket that is never closed at the end',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  finalizers: [a, b\n',
    "yaml: line 5: did not find expected ',' or ']'",
  ],
  [
    'a template that nobody filled in',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Values.name }}\n',
    'yaml: invalid map key: map[interface {}]interface {}{".Values.name":interface {}(nil)}',
  ],
  [
    'a template with more behind it',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Values.name }}-x\n',
    'yaml: line 3: did not find expected key',
  ],
  ['an at sign', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: @a\n', 'yaml: line 4: found character that cannot start any token'],
  ['a backtick', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: `a`\n', 'yaml: line 4: found character that cannot start any token'],
  [
    'a percent sign',
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %a\n',
    'yaml: line 4: found character that cannot start any token',
  ],
  ['an alias of nothing', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: *a\n', "yaml: unknown anchor 'a' referenced"],
  [
    'a star that is no alias',
    'apiVersion: v1\nkind: ConfigMap\ndata:\n  glob: *.txt\n',
    'yaml: line 4: did not find expected alphabetic or numeric character',
  ],
  ['an unknown escape', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "a\\d"\n', 'yaml: line 4: found unknown escape character'],
  ['an item among keys', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  - b\n', 'yaml: line 4: did not find expected key'],
  [
    'an item between two indentations',
    'apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: b\n   - name: c\n',
    'yaml: line 6: did not find expected key',
  ],
  [
    'an item after keys',
    'apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n  image: b\n  - name: c\n',
    'yaml: line 6: did not find expected key',
  ],
  [
    'text that is no item',
    'kind: Pod\nspec:\n  containers:\n    - name: a\n     image: b\n',
    "yaml: line 4: did not find expected '-' indicator",
  ],
  [
    'an item behind its key',
    'kind: Pod\nspec:\n  containers: - name: a\n',
    'yaml: line 3: block sequence entries are not allowed in this context',
  ],
  ['a line left of its block', 'apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    x\n   y\n', 'yaml: line 5: did not find expected key'],
  [
    'a header of a block with more in it',
    'apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |x\n    x\n',
    'yaml: line 4: did not find expected comment or line break',
  ],
  ['a key after items', '- a\nb: c\n', "yaml: line 1: did not find expected '-' indicator"],
  ['an item after keys at the root', 'a: b\n- c\n', 'yaml: line 1: did not find expected key'],
  ['a tag of nobody', 'kind: ConfigMap\ndata:\n  a: !b!c d\n', 'yaml: line 2: found undefined tag handle'],
  ['a control character', 'kind: ConfigMap\ndata:\n  a: "\u0001"\n', 'yaml: control characters are not allowed'],
  [
    'text behind a quote',
    'kind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    x: "a" b\n',
    'yaml: line 4: did not find expected key',
  ],
  ['text right behind a quote', 'kind: ConfigMap\nmetadata:\n  name: "a"b\n', 'yaml: line 2: did not find expected key'],
  ['a brace too many', 'kind: ConfigMap\nmetadata: {name: a}}\n', 'yaml: line 1: did not find expected key'],
  ['a bracket that closes nothing', 'kind: ConfigMap\nmetadata: ]\n', 'yaml: line 1: did not find expected node content'],
  ['a comma too many', 'kind: ConfigMap\nmetadata: {name: a, , b: c}\n', 'yaml: line 1: did not find expected node content'],
  ['a key after text', 'just text\nkind: x\n', 'yaml: line 2: mapping values are not allowed in this context'],
  ['a single quote that is closed twice', "kind: ConfigMap\ndata:\n  a: 'b''\n", 'yaml: line 4: found unexpected end of stream'],
  ['an escape of no number', 'a: "\\xZZ"\n', 'yaml: did not find expected hexdecimal number'],
  ['an anchor without a name', 'a: & b\n', 'yaml: did not find expected alphabetic or numeric character'],
  ['an anchor of an alias', 'a: &x b\nc: &y *x\n', 'yaml: line 1: did not find expected key'],
  ['two anchors', 'a: &x &y b\n', 'yaml: did not find expected key'],
  ['a block indented by nothing', 'a: |0\n  x\n', 'yaml: found an indentation indicator equal to 0'],
  ['a block of two headers', 'a: |++\n  x\n', 'yaml: did not find expected comment or line break'],
  ['a null byte', 'a: b\u0000c\n', 'yaml: control characters are not allowed'],
  ['a key with an at sign', '@a: b\n', 'yaml: found character that cannot start any token'],
  ['a backtick in a line of its own', 'a:\n  `b`\n', 'yaml: line 2: found character that cannot start any token'],
  ['a second colon in braces', 'a: {b: c: d}\n', "yaml: did not find expected ',' or '}'"],
  ['an item in brackets', 'a: [- b]\n', 'yaml: did not find expected node content'],
  ['a document in brackets', 'a: [x\n---\ny]\n', "yaml: line 1: did not find expected ',' or ']'"],
  ['a merge of text', 'kind: ConfigMap\nmetadata:\n  <<: a\n', 'yaml: map merge requires map or sequence of maps as the value'],
]

for (const [what, text, words] of MISTAKES)
  test(`parseYaml refuses ${what} as go-yaml does`, () => {
    assert.throws(() => parseYaml(text), new YamlError(words))
  })

test('parseYaml takes no longer to refuse what is made to be looked at for long', () => {
  for (const text of [
    `a: b\n${'\n'.repeat(300_000)}"`,
    `{{a${' '.repeat(300_000)}: {`,
    `a: ["${'\\\\'.repeat(100_000)}`,
    `a: [${'"x", '.repeat(100_000)}\nb: c`,
    `${'{'.repeat(300)}${'\n'.repeat(300_000)}`,
    `${'x:\n  a: [\n  b\n  ]\n'.repeat(30_000)}"`,
    `${'a: [\n[\n'.repeat(100_000)}`,
  ])
    assert.throws(() => parseYaml(text), YamlError)
})
