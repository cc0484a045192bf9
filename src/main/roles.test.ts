import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { Node } from '#api/kinds/core/node.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import type { PagesConfig, RoleConfig } from '#cli/platform.ts'
import { type Access, readKubeconfig } from '#client/kubeconfig.ts'
import { systemClock } from '#lib/clock.ts'
import { startRole } from './roles.ts'
import { startCluster } from './testing.ts'

const RBAC = 'rbac.authorization.k8s.io'
const ANY: PagesConfig = { address: '127.0.0.1', port: 0, byDefault: false }

async function clusterFor(t: TestContext) {
  const cleanUp = new AsyncDisposableStack()
  t.after(() => cleanUp.disposeAsync())
  const cluster = cleanUp.use(await startCluster({ nodes: 0 }))
  const home = mkdtempSync(join(tmpdir(), 'sampan-roles-'))
  cleanUp.defer(() => rmSync(home, { recursive: true, force: true }))
  const file = join(home, 'kubeconfig')
  writeFileSync(file, cluster.kubeconfig(), { mode: 0o600 })
  const access = readKubeconfig(file)
  const start = async (role: 'controllers' | 'scheduler' | 'simulated-nodes', pages: PagesConfig) => {
    const said: string[] = []
    const own = { controllers: { podCidr: '10.244.0.0/16' }, scheduler: {}, 'simulated-nodes': { count: 2, namePrefix: 'far' } }
    const config = { role, ...own[role] } as RoleConfig
    const options = {
      clock: systemClock,
      signal: new AbortController().signal,
      writeLog: () => {},
      say: (line: string) => void said.push(line),
    }
    const running = cleanUp.use(await startRole({ ...config, access, pages, flags: { 'secure-port': '0' } }, options))
    return {
      said,
      stop: () => running[Symbol.asyncDispose](),
      url:
        said
          .find((line) => line.includes('https://'))
          ?.split(' ')
          .at(-1) ?? '',
    }
  }
  return { client: cluster.client, access, start }
}

interface Asking {
  token?: string
  as?: Access
  method?: string
}

function ask(url: string, { token, as, method = 'GET' }: Asking = {}): Promise<{ code: number; body: string }> {
  const headers = token ? { authorization: `Bearer ${token}` } : {}
  const identity = as ? { cert: as.cert, key: as.key } : {}
  return new Promise((resolve, reject) => {
    // Made at the start and signed by nobody.
    const request = https.request(url, { method, headers, ...identity, rejectUnauthorized: false, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text) => (body += text))
      response.on('end', () => resolve({ code: response.statusCode!, body }))
    })
    request.on('error', reject).end()
  })
}

async function until<T>(look: () => Promise<T | false | undefined>): Promise<T> {
  for (let tries = 0; tries < 6000; tries++) {
    const found = await look()
    if (found) return found
    await systemClock.sleep(20)
  }
  throw new Error('it did not come about')
}

test('startRole shows health to everybody, and metrics to whom the API server lets', async (t) => {
  const { client, access, start } = await clusterFor(t)
  const { url, said } = await start('scheduler', ANY)
  await until(async () => said.some((line) => line.startsWith('leading as')))
  for (const path of ['/healthz', '/livez', '/readyz']) assert.deepEqual(await ask(`${url}${path}`), { code: 200, body: 'ok' })
  assert.equal(
    (await ask(`${url}/readyz?verbose`)).body,
    '[+]ping ok\n[+]leaderElection ok\n[+]informer-sync ok\n[+]shutdown ok\nreadyz check passed\n',
  )
  const denied = await ask(`${url}/metrics`)
  assert.equal(denied.code, 403)
  assert.equal(JSON.parse(denied.body).message, 'forbidden: User "system:anonymous" cannot get path "/metrics"')
  assert.equal((await ask(`${url}/metrics`, { token: 'nobody' })).code, 401)

  const key = { namespace: 'default', name: 'prometheus' }
  await client.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: key })
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [] } }
  const issued = await client.create(ServiceAccount, request, { ...key, subresource: 'token' })
  const { token } = (issued as { status?: { token: string } }).status!
  const user = 'system:serviceaccount:default:prometheus'
  assert.match((await ask(`${url}/metrics/slis`, { token })).body, new RegExp(`User \\\\"${user}\\\\" cannot get path`))
  const metadata = { name: 'reads-metrics' }
  await client.create(ClusterRole, {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRole',
    metadata,
    rules: [{ nonResourceURLs: ['/metrics'], verbs: ['get'] }],
  })
  await client.create(ClusterRoleBinding, {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRoleBinding',
    metadata,
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'reads-metrics' },
    subjects: [{ kind: 'ServiceAccount', ...key }],
  })
  const { code, body } = await until(async () => {
    const answer = await ask(`${url}/metrics`, { token })
    return answer.code === 200 && answer
  })
  assert.equal(code, 200)
  for (const line of ['scheduler_pending_pods{queue="active"} 0', 'leader_election_master_status{name="kube-scheduler"} 1'])
    assert.ok(body.includes(`${line}\n`), line)
  assert.match(body, /^kubernetes_build_info\{.*minor="36"/m)
  assert.match(body, /^process_cpu_seconds_total /m)
  // A certificate of the cluster's administrator opens everything that is there.
  assert.equal(
    await until(async () => {
      const { code: found } = await ask(`${url}/metrics/slis`, { as: access })
      return found !== 401 && found
    }),
    200,
  )
  assert.equal((await ask(`${url}/debug/pprof/profile`)).code, 403)
  assert.match((await ask(`${url}/debug/pprof/`, { as: access })).body, /href="profile"/)
  assert.equal((await ask(`${url}/debug/pprof/threadcreate`, { as: access })).code, 404)
  assert.match(
    (await ask(`${url}/statusz`, { as: access })).body,
    /^\nkube-scheduler statusz\n[^]*\nPaths: \/configz \/flagz \/healthz \/livez /,
  )
  assert.equal((await ask(`${url}/flagz`, { as: access })).body.split('\n').slice(3).join('\n'), 'secure-port=0\n')
  const { componentconfig } = JSON.parse((await ask(`${url}/configz`, { as: access })).body)
  assert.equal(componentconfig.PodMaxBackoffSeconds, 10)
  assert.deepEqual([componentconfig.LeaderElection.LeaseDuration, componentconfig.LeaderElection.ResourceName], ['15s', 'kube-scheduler'])
  const [{ SchedulerName, Plugins }] = componentconfig.Profiles
  assert.equal(SchedulerName, 'default-scheduler')
  assert.ok(
    Plugins.MultiPoint.Enabled.some(({ Name, Weight }: { Name: string; Weight: number }) => Name === 'TaintToleration' && Weight === 3),
  )
  for (const path of ['/statusz', '/flagz', '/configz']) assert.equal((await ask(url + path)).code, 403, path)
  assert.equal((await ask(`${url}/metrics`, { as: access, method: 'DELETE' })).code, 405)
})

test('startRole shows who leads and who stands by, and gives the lease back when it stops', async (t) => {
  const { client, access, start } = await clusterFor(t)
  const master = async (url: string) =>
    /leader_election_master_status\{.*\} (\d)/.exec((await ask(`${url}/metrics`, { as: access })).body)?.[1]
  const first = await start('controllers', ANY)
  assert.equal(await until(() => master(first.url)), '1')
  const second = await start('controllers', ANY)
  assert.equal(await until(() => master(second.url)), '0')
  const { Generic, KubeCloudShared } = JSON.parse((await ask(`${first.url}/configz`, { as: access })).body)[
    'kubecontrollermanager.config.k8s.io'
  ]
  assert.deepEqual([Generic.LeaderElection.RetryPeriod, KubeCloudShared.ClusterCIDR], ['2s', '10.244.0.0/16'])
  assert.match((await ask(`${second.url}/statusz`, { as: access })).body, /^\nkube-controller-manager statusz\n/)
  assert.match((await ask(`${first.url}/metrics`, { as: access })).body, /^workqueue_adds_total\{name="deployment"\} \d/m)
  const lease = () => client.get(Lease, { namespace: 'kube-system', name: 'kube-controller-manager' })
  const held = (await lease()).spec
  assert.deepEqual([held?.leaseDurationSeconds, held?.leaseTransitions], [15, 0])
  await first.stop()
  const follower = await until(async () => {
    const { spec } = await lease()
    return spec?.holderIdentity ? spec.holderIdentity !== held?.holderIdentity && spec : undefined
  })
  // One for giving it back is none: who comes next counts it.
  assert.equal(follower.leaseTransitions, 1)
  await until(async () => (await master(second.url)) === '1')
})

test('startRole goes on without pages where a port nobody asked for is taken, and refuses one that was asked for', async (t) => {
  const { start } = await clusterFor(t)
  const { url } = await start('scheduler', ANY)
  const port = Number(new URL(url).port)
  const { said } = await start('scheduler', { ...ANY, port, byDefault: true })
  assert.deepEqual(said, [`port ${port} is taken: no health and metrics here; choose another with --secure-port`])
  await assert.rejects(start('scheduler', { ...ANY, port }), {
    message: `port ${port} is taken by another program: choose another with --secure-port`,
  })
})

test('startRole shows how simulated nodes are that join from elsewhere', async (t) => {
  const { client, access, start } = await clusterFor(t)
  const { url } = await start('simulated-nodes', ANY)
  assert.equal((await ask(`${url}/readyz?verbose`)).body, '[+]ping ok\n[+]nodes ok\n[+]shutdown ok\nreadyz check passed\n')
  assert.equal((await ask(`${url}/livez`, { method: 'POST' })).body, 'ok')
  assert.equal((await client.list(Node)).items.length, 2)
  assert.equal((await ask(`${url}/metrics`)).code, 403)
  const read = async (path: string) => {
    const { body } = await until(async () => {
      const answer = await ask(`${url}${path}`, { as: access })
      return answer.code === 200 && answer
    })
    return body
  }
  const metrics = await read('/metrics')
  assert.match(metrics, /^sampan_simulated_nodes\{prefix="far"\} 2$/m)
  assert.match(metrics, /^process_cpu_seconds_total /m)
  assert.deepEqual(JSON.parse(await read('/configz')), { 'sampan.dev': { Count: 2, NamePrefix: 'far' } })
  assert.match(await read('/statusz'), /^\nsimulated-nodes statusz\n/)
  assert.match(await read('/flagz'), /secure-port=0\n$/)
  assert.equal((await ask(`${url}/metrics`, { as: access, method: 'DELETE' })).code, 405)
})
