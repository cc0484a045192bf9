import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FieldError } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { checkConfigSources } from './node-config-source.ts'

const configMap = { namespace: 'default', name: 'kubelet', kubeletConfigKey: 'kubelet' }

const ROWS: [node: types.Node, errors: string[]][] = [
  [{ spec: { configSource: {} } }, ['spec.configSource: Invalid value: {}: exactly one reference subfield must be non-nil']],
  [{ spec: { configSource: { configMap } } }, []],
  [
    { spec: { configSource: { configMap: { namespace: '', name: 'A', kubeletConfigKey: '', uid: 'u', resourceVersion: '1' } } } },
    [
      'spec.configSource.configMap.uid: Forbidden: uid must not be set in spec',
      'spec.configSource.configMap.resourceVersion: Forbidden: resourceVersion must not be set in spec',
      'spec.configSource.configMap.namespace: Required value: namespace must be set',
      'spec.configSource.configMap.name: Invalid value: "A": a lowercase RFC 1123 subdomain',
      'spec.configSource.configMap.kubeletConfigKey: Required value: kubeletConfigKey must be set',
    ],
  ],
  [
    { status: { config: { assigned: { configMap: { ...configMap, uid: 'u', resourceVersion: '1' } }, active: { configMap } } } },
    [
      'status.config.active.configMap.uid: Required value: uid must be set in status',
      'status.config.active.configMap.resourceVersion: Required value: resourceVersion must be set in status',
    ],
  ],
]
for (const [node, expected] of ROWS)
  test(`checkConfigSources of ${JSON.stringify(node)}`, () => {
    const errors: FieldError[] = []
    checkConfigSources(node, errors)
    const texts = errors.map(({ field, message }) => `${field}: ${message}`)
    assert.equal(texts.length, expected.length, texts.join())
    for (const [index, text] of expected.entries()) assert.ok(texts[index]!.startsWith(text), texts[index])
  })
