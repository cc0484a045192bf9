import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { formatMicroTime, systemClock } from '#lib/clock.ts'
import { startTestServer } from '#server/testing.ts'
import { componentStatuses } from './component-statuses.ts'

const PATH = '/api/v1/componentstatuses'

test('componentStatuses are listed and told one by one, with a warning that they are deprecated', async () => {
  await using fixture = await startTestServer({ extensions: (context) => ({ subresources: [componentStatuses(context, () => true)] }) })
  const get = async (path: string, headers = {}) => fixture.server.handle({ method: 'GET', path, headers })
  const all = await get(PATH)
  const well = [{ type: 'Healthy', status: 'True', message: 'ok' }]
  assert.deepEqual(all.json, {
    kind: 'ComponentStatusList',
    apiVersion: 'v1',
    metadata: {},
    items: ['controller-manager', 'etcd-0', 'scheduler'].map((name) => ({ metadata: { name }, conditions: well })),
  })
  assert.match(String(all.headers['warning']), /v1 ComponentStatus is deprecated in v1\.19\+/)
  const one = await get(`${PATH}/etcd-0`)
  assert.deepEqual([one.status, one.json.conditions], [200, well])
  const none = await get(`${PATH}/sails`)
  assert.deepEqual([none.status, none.json.message], [404, 'componentstatus "sails" not found'])
  const named = await get(`${PATH}?fieldSelector=metadata.name%3Dscheduler`)
  assert.deepEqual(
    named.json.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name),
    ['scheduler'],
  )
  const table = await get(PATH, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
  assert.deepEqual(
    table.json.rows.map(({ cells }: { cells: unknown[] }) => cells),
    ['controller-manager', 'etcd-0', 'scheduler'].map((name) => [name, 'Healthy', 'ok', '']),
  )
})

test('componentStatuses of actors elsewhere follow their leases', async () => {
  await using fixture = await startTestServer({ extensions: (context) => ({ subresources: [componentStatuses(context)] }) })
  const conditionOf = async (name: string) =>
    (await fixture.server.handle({ method: 'GET', path: `${PATH}/${name}`, headers: {} })).json.conditions[0]
  const hold = (renewedMs: number) =>
    fixture.server.writer.create(Lease, {
      metadata: { namespace: 'kube-system', name: 'kube-scheduler' },
      spec: { holderIdentity: 'boat_1', leaseDurationSeconds: 15, renewTime: formatMicroTime(renewedMs) },
    })
  const message = 'nobody holds the lease kube-system/kube-scheduler'
  assert.deepEqual(await conditionOf('scheduler'), { type: 'Healthy', status: 'False', message })
  const now = systemClock.now()
  await hold(now - 60_000)
  assert.equal((await conditionOf('scheduler')).status, 'False')
  await fixture.server.writer.modify(Lease, { namespace: 'kube-system', name: 'kube-scheduler' }, (lease) => {
    lease.spec!.renewTime = formatMicroTime(now)
  })
  assert.equal((await conditionOf('scheduler')).status, 'True')
  assert.equal((await conditionOf('controller-manager')).status, 'False')
})
