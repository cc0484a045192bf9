import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AdmissionRequest, ServerContext } from '#server/request.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'

const nothing = { reader: { get: () => undefined } } as unknown as ServerContext

for (const [operation, refusal] of [
  ['CREATE', 'namespaces "gone" not found'],
  ['UPDATE', 'namespaces "gone" not found'],
  ['DELETE', undefined],
  ['CONNECT', undefined],
] as const) {
  test(`namespaceLifecycle on ${operation} in a namespace that is not there ${refusal ? 'refuses' : 'leaves the answer to others'}`, () => {
    const attributes = { namespace: 'gone', name: 'p', resource: 'pods', group: '', version: 'v1', subresource: '' }
    const admit = () => namespaceLifecycle(nothing).admit!({ operation, attributes } as unknown as AdmissionRequest)
    if (refusal) assert.throws(admit, { reason: 'NotFound', message: refusal })
    else assert.equal(admit(), undefined)
  })
}
