import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import { errorTexts } from '#api/kinds/minimal-objects.ts'
import { paced } from '#lib/paced.ts'
import { schemaErrors } from './crd-versions.ts'
import { checkRuleDefinitions } from './rule-definitions.ts'

const schemas: [string, JSONSchemaProps, string[]][] = [
  ['objects', { type: 'object', properties: { spec: { type: 'object', properties: { a: { type: 'string' } } } } }, []],
  ['anything goes', { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }, []],
  [
    'numbers or text',
    { type: 'object', properties: { a: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] } } },
    [],
  ],
  ['a root that is no object', { type: 'string' }, ['s.type: Invalid value: "string": must be object at the root']],
  [
    'an array of nothing',
    { type: 'object', properties: { a: { type: 'array' } } },
    ['s.properties[a].items: Required value: must be specified'],
  ],
  ['a reference', { type: 'object', $ref: 'x' }, ['s.$ref: Forbidden: $ref is not supported']],
  [
    'a type inside a junctor',
    { type: 'object', allOf: [{ type: 'object' }] },
    ['s.allOf[0].type: Forbidden: must be empty to be structural'],
  ],
  [
    'a map list without its key',
    {
      type: 'object',
      properties: {
        a: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['k'],
          items: { type: 'object', properties: { k: { type: 'string' } } },
        },
      },
    },
    [
      's.properties[a].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
    ],
  ],
  [
    'a field without a type',
    { type: 'object', properties: { a: {} } },
    ['s.properties[a].type: Required value: must not be empty for specified object fields'],
  ],
  [
    'an item without a type',
    { type: 'object', properties: { a: { type: 'array', items: {} } } },
    ['s.properties[a].items.type: Required value: must not be empty for specified array items'],
  ],
  ['an empty root', {}, ['s.type: Required value: must not be empty at the root']],
  [
    'a map at the root',
    { type: 'object', additionalProperties: true },
    ['s.additionalProperties: Forbidden: must not be used at the root'],
  ],
  [
    'metadata that is restricted',
    { type: 'object', properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } } },
    ['s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified'],
  ],
  [
    'value rules about what is not there',
    { type: 'object', anyOf: [{ properties: { a: { minimum: 1 } } }] },
    ['s.properties[a]: Required value: because it is defined in s.anyOf[0].properties[a]'],
  ],
  [
    'a pattern that is none',
    { type: 'object', properties: { a: { type: 'string', pattern: '(' } } },
    [
      's.properties[a].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: error parsing regexp: missing closing ): `(`',
    ],
  ],
  [
    'an embedded resource without fields',
    { type: 'object', properties: { a: { type: 'object', 'x-kubernetes-embedded-resource': true } } },
    [
      's.properties[a].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
    ],
  ],
  [
    'a set of objects that are not atomic',
    { type: 'object', properties: { a: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object' } } } },
    ['s.properties[a].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set'],
  ],
  [
    'a default at the root, and in metadata',
    { type: 'object', default: {}, properties: { metadata: { type: 'object', default: {} } } },
    [
      's.default: Forbidden: must not be set at the root',
      's.properties[metadata].default: Forbidden: must not be set in top-level metadata',
    ],
  ],
  [
    'a default its schema refuses',
    { type: 'object', properties: { a: { type: 'integer', default: 'x' } } },
    ['s.properties[a].default: Invalid value: "string": s.properties[a].default in body must be of type integer: "string"'],
  ],
  [
    'a default with fields nobody knows',
    { type: 'object', properties: { a: { type: 'object', properties: { b: { type: 'string' } }, default: { c: 1 } } } },
    ['s.properties[a].default: Invalid value: {"c":1}: must not have unknown fields'],
  ],
  [
    'rules that are not written out',
    {
      type: 'object',
      'x-kubernetes-validations': [
        { rule: ' ' },
        { rule: 'true', message: ' ' },
        { rule: 'true ||\nfalse' },
        { rule: 'true', message: 'a', reason: 'Because', fieldPath: '.nothing', messageExpression: ' ' },
      ],
    },
    [
      's.x-kubernetes-validations[0].rule: Required value: rule is not specified',
      's.x-kubernetes-validations[1].message: Invalid value: " ": message must be non-empty if specified',
      's.x-kubernetes-validations[2].message: Required value: message must be specified if rule contains line breaks',
      's.x-kubernetes-validations[3].messageExpression: Required value: messageExpression must be non-empty if specified',
      's.x-kubernetes-validations[3].reason: Unsupported value: "Because": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"',
      's.x-kubernetes-validations[3].fieldPath: Invalid value: ".nothing": fieldPath must be a valid path',
    ],
  ],
]

for (const [what, schema, expected] of schemas)
  test(`schemaErrors ${expected.length > 0 ? 'refuses' : 'accepts'} ${what}`, async () =>
    assert.deepEqual(errorTexts(await paced(schemaErrors(schema, 's', false), 1)), expected))

test('schemaErrors stops at schemas without end', async () => {
  const endless: JSONSchemaProps = { type: 'object' }
  endless.properties = { a: endless }
  assert.match(errorTexts(await paced(schemaErrors(endless, 's', false), 100))[0]!, /nested deeper than/)
})

test('schemaErrors keeps the root of a schema with a status plain', async () => {
  const [error] = errorTexts(await paced(schemaErrors({ type: 'object', minProperties: 1 }, 's', true), 1))
  assert.match(error!, /^s: Invalid value: .*: only \[Description Type .* XValidations\] fields are allowed at the root/)
})

const rules: [what: string, schema: JSONSchemaProps, expected: string[]][] = [
  ['a rule', { type: 'object', 'x-kubernetes-validations': [{ rule: "self.metadata.name.startsWith('a')" }] }, []],
  [
    'a rule that does not compile',
    { type: 'object', properties: { a: { type: 'object', 'x-kubernetes-validations': [{ rule: 'self.b', message: 'm' }] } } },
    [
      's.properties[a].x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:"self.b", Message:"m", MessageExpression:"", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: compilation failed: ERROR: <input>:1:5: undefined field \'b\'\n | self.b\n | ....^',
    ],
  ],
  [
    'a rule that is no question, and a message that is none',
    { type: 'object', 'x-kubernetes-validations': [{ rule: '1', messageExpression: 'true' }] },
    [
      's.x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:"1", Message:"", MessageExpression:"true", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: cel expression must evaluate to a bool',
      's.x-kubernetes-validations[0].messageExpression: Invalid value: apiextensions.ValidationRule{Rule:"1", Message:"", MessageExpression:"true", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: messageExpression must evaluate to a string',
    ],
  ],
  [
    'oldSelf where items cannot be told again',
    {
      type: 'object',
      properties: {
        a: { type: 'array', items: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] }, maxItems: 2 },
      },
    },
    [
      's.properties[a].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[a]',
    ],
  ],
  [
    'optionalOldSelf without oldSelf',
    { type: 'object', 'x-kubernetes-validations': [{ rule: 'true', optionalOldSelf: true }] },
    ['s.x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule'],
  ],
  [
    'a rule over lists nobody bounds',
    {
      type: 'object',
      properties: {
        a: {
          type: 'array',
          items: { type: 'string' },
          'x-kubernetes-validations': [{ rule: 'self.all(x, self.all(y, x == y))' }],
        },
      },
    },
    [
      's.properties[a].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)',
      's.properties[a].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
      's: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)',
    ],
  ],
  [
    'the same over lists with bounds',
    {
      type: 'object',
      properties: {
        a: {
          type: 'array',
          maxItems: 10,
          items: { type: 'string', maxLength: 10 },
          'x-kubernetes-validations': [{ rule: 'self.all(x, self.all(y, x == y))' }],
        },
      },
    },
    [],
  ],
  [
    'a rule where values have no type',
    {
      type: 'object',
      properties: { a: { 'x-kubernetes-preserve-unknown-fields': true, 'x-kubernetes-validations': [{ rule: 'true' }] } },
    },
    [
      "s.properties[a].x-kubernetes-validations: Internal error: rule declared on schema that does not support validation rules type: '' x-kubernetes-preserve-unknown-fields: 'true'",
    ],
  ],
]

for (const [what, schema, expected] of rules)
  test(`checkRuleDefinitions ${expected.length > 0 ? 'refuses' : 'accepts'} ${what}`, async () =>
    assert.deepEqual(errorTexts(await paced(checkRuleDefinitions(schema, 's'), 1)), expected))
