import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { Service } from '#api/kinds/core/service.ts'
import { TriggerTimes } from './trigger-times.ts'

const at = (minute: number) => `2026-01-01T00:0${minute}:00Z`
const service: Service = { metadata: { namespace: 'default', name: 'web', creationTimestamp: at(5) } }
const pod = (name: string, turned?: number): Pod => ({
  metadata: { name, creationTimestamp: at(1), deletionTimestamp: at(9) },
  status: turned ? { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: at(turned) }] } : {},
})

test('TriggerTimes tells when a service came, then when the first of its pods turned, and of nothing else', () => {
  const times = new TriggerTimes()
  assert.equal(times.next(service, [pod('a', 1), pod('b')]), at(5), 'older pods')
  assert.equal(times.next(service, [pod('a', 1), pod('b')]), undefined)
  assert.equal(times.next(service, [pod('a', 7), pod('b', 6), pod('c')]), at(6))
  assert.equal(times.next(service, [pod('a', 7)]), undefined, 'pods that went')
  assert.equal(times.next(service, [pod('a', 7), pod('d', 2)]), at(2))
  times.forget('default/web')
  assert.equal(times.next(service, [pod('a', 7)]), at(5))
})
