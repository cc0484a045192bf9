import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { kubeletPages } from './pages.ts'
import type { UsageReader } from './usage.ts'

const shared = { directory: { pods: () => [] } as never, usage: {} as UsageReader, nodeName: 'n', clock: createVirtualClock() }
const process = {
  version: { goVersion: 'node24', gitVersion: 'v1.36.0+sampan1', emulationMajor: '1', emulationMinor: '36' },
  flags: { port: '6443' },
}

test('kubeletPages tells what runs and how it was started, for people and for programs', async () => {
  const pages = kubeletPages({ ...shared, process })
  const flagz = await pages.get('/flagz')!()
  assert.equal(flagz.body.split('\n').slice(1, 2).concat(flagz.body.split('\n').slice(3)).join('|'), 'kubelet flagz|port=6443|')
  const { type, body } = await pages.get('/statusz')!('application/json;v=v1beta1;g=config.k8s.io;as=Statusz')
  assert.equal(type, 'application/json')
  const { kind, metadata, binaryVersion, paths } = JSON.parse(body)
  assert.deepEqual([kind, metadata.name, binaryVersion], ['Statusz', 'kubelet', '1.36.0+sampan1'])
  for (const path of ['/configz', '/healthz', '/metrics', '/pods', '/statusz', '/stats']) assert.ok(paths.includes(path), path)
  assert.throws(() => pages.get('/statusz')!('image/png'), { reason: 'NotAcceptable' })
})

test('kubeletPages has neither where nothing is known of the process', () => {
  const pages = kubeletPages(shared)
  assert.deepEqual([pages.has('/statusz'), pages.has('/flagz')], [false, false])
})
