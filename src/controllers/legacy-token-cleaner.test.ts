import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { hasReason } from '#api/status.ts'
import type { ControllerContext } from '#client/controller.ts'
import { legacyTokenCleaner } from './legacy-token-cleaner.ts'
import { startTestCluster } from './testing.ts'

const DAY = 24 * 3600 * 1000
const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since'

test('legacyTokenCleaner calls tokens nobody uses invalid, then deletes them, and leaves those in use', async (t) => {
  const { client, informers, clock, eventually } = await startTestCluster(t, { only: ['legacy-serviceaccount-token-cleaner-controller'] })
  const namespace = 'default'
  const account = await client.create<ServiceAccount, ServiceAccount>(ServiceAccount, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace, name: 'robot' },
    secrets: ['unused', 'used', 'marked', 'last-day', 'pulling'].map((name) => ({ name })),
  })
  const annotations = {
    'kubernetes.io/service-account.name': 'robot',
    'kubernetes.io/service-account.uid': account.metadata!.uid!,
  }
  const inDays = (days: number) => clock.now() + days * DAY
  const day = (days: number) => new Date(inDays(days)).toISOString().slice(0, 10)
  for (const [name, labels] of [
    ['unused', {}],
    ['used', { 'kubernetes.io/legacy-token-last-used': day(300) }],
    ['by-hand', {}],
    ['marked', { [INVALID_SINCE]: 'once' }],
    ['pulling', {}],
    ['last-day', { 'kubernetes.io/legacy-token-last-used': day(2) }],
  ] as const)
    await client.create(Secret, {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/service-account-token',
      metadata: { namespace, name, annotations, labels },
    } as Secret)
  const containers = [{ name: 'c', image: 'c' }]
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: 'p' },
    spec: { containers, imagePullSecrets: [{ name: 'pulling' }] },
  }
  await client.create<Pod, Pod>(Pod, pod)
  await eventually(
    () =>
      informers.of(Pod).get({ namespace, name: 'p' }) &&
      informers.of(Secret).get({ namespace, name: 'by-hand' }) &&
      informers.of(ServiceAccount).get({ namespace, name: 'robot' }),
  )
  const run = (days: number) => {
    const context = { client, informers, clock: { ...clock, now: () => inDays(days) } }
    return legacyTokenCleaner.reconcile({ namespace, name: 'robot' }, context as unknown as ControllerContext)
  }
  const labelOf = async (name: string) => (await client.get(Secret, { namespace, name })).metadata?.labels?.[INVALID_SINCE]

  for (const days of [364, 365.01]) {
    await run(days)
    assert.equal(await labelOf('unused'), undefined, String(days))
  }
  await run(367)
  assert.equal(await labelOf('pulling'), undefined)
  assert.deepEqual([await labelOf('unused'), await labelOf('used'), await labelOf('by-hand')], [day(367), undefined, undefined])
  assert.deepEqual([await labelOf('marked'), await labelOf('last-day')], [day(367), undefined])
  await eventually(() => informers.of(Secret).get({ namespace, name: 'unused' })?.metadata?.labels?.[INVALID_SINCE])
  await run(368)
  assert.equal(await labelOf('last-day'), day(368))
  await run(700)
  assert.equal(await labelOf('unused'), day(367))
  await run(367 + 367)
  await assert.rejects(client.get(Secret, { namespace, name: 'unused' }), (error) => hasReason(error, 'NotFound'))
  assert.equal(await labelOf('by-hand'), undefined)
})
