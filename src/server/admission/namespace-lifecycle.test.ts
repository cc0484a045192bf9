import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AdmissionRequest, ServerContext } from '#server/request.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'

const nothing = { reader: { get: () => undefined } } as unknown as ServerContext

test('namespaceLifecycle looks again for a namespace that another server has just made', async () => {
  let made = false
  const reader = { get: () => (made ? { metadata: { name: 'new' } } : undefined), fresh: async () => void (made = true) }
  const attributes = { namespace: 'new', name: 'p', resource: 'pods', group: '', version: 'v1', subresource: '' }
  const request = { operation: 'CREATE', attributes } as unknown as AdmissionRequest
  await namespaceLifecycle({ reader } as unknown as ServerContext).admit!(request)
  assert.ok(made)
  reader.get = () => undefined
  await assert.rejects(async () => namespaceLifecycle({ reader } as unknown as ServerContext).admit!(request), { reason: 'NotFound' })
})

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
