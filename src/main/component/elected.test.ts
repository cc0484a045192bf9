import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { createHttpClients } from '#client/http-client.ts'
import { readKubeconfig } from '#client/kubeconfig.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { Metrics } from '#lib/metrics.ts'
import { seededRandom } from '#lib/random.ts'
import { CONTROLLER_MANAGER } from '#controllers/controllers.ts'
import { startCluster } from '#main/testing.ts'
import { electedService } from './elected.ts'

test('electedService writes nothing after a pause in which another may have come to lead', async (t) => {
  await using cluster = await startCluster({ nodes: 0 })
  const home = mkdtempSync(join(tmpdir(), 'sampan-elected-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const kubeconfig = join(home, 'kubeconfig')
  writeFileSync(kubeconfig, cluster.kubeconfig(), { mode: 0o600 })
  let pausedMs = 0
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + pausedMs }
  const connect = (own?: { guard?(method: string): void }) =>
    createHttpClients({ ...readKubeconfig(kubeconfig), ...own, clock: systemClock })
  await using shared = connect()
  const acting = Promise.withResolvers<Client>()
  const stop = new AbortController()
  const service = electedService(
    'test',
    {
      user: CONTROLLER_MANAGER,
      component: 'tester',
      metricsOf: () => new Metrics({}),
      pages: undefined,
      flags: undefined,
      configuration: {},
      async make({ clientFor }) {
        acting.resolve(clientFor({ username: 'kubernetes-admin', groups: ['system:masters'] }))
        return []
      },
    },
    {
      shared: { clientFor: shared.clientFor, clock, random: seededRandom(1), log: silentLogger, signal: stop.signal },
      identity: 'one',
      say: () => {},
      connect,
    },
  )
  await using _running = await service.start(stop.signal)
  const client = await acting.promise
  const write = (name: string) =>
    client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', name } })
  await write('before')
  pausedMs = 10_001
  await assert.rejects(
    write('after'),
    (error: Error) => hasReason(error, 'ServiceUnavailable') && /the lease test was not renewed in time/.test(error.message),
  )
  assert.equal((await client.get(ConfigMap, { namespace: 'default', name: 'before' })).metadata?.name, 'before')
})
