// A server under measurement: embedded store, certificates, RBAC and admission as in a cluster. Tells its parent where it is and what it uses.
// arguments: its directory, one for profiles, then what it does besides: `loop` (watch it from the start), `audit` (whole objects), `encryption` (of Secrets)
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import type { Kind } from '#api/kind.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { hasReason } from '#api/status.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { createLogger } from '#lib/log.ts'
import { createApiServer } from '#server/api-server.ts'
import { AT_REST, tune, UNDER_LOAD } from '#main/v8-tuning.ts'
import { clusterExtensions } from '#server/cluster-extensions.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { openEmbeddedStore } from '#store/embedded.ts'
import { featuresOf } from './features.ts'
import { tellUsage } from './usage.ts'

tune(AT_REST)
const [directory = '', profiles = '', ...features] = process.argv.slice(2)
const [clock, random] = [systemClock, systemRandom]
tellUsage(
  (message) => {
    const [name = '', amount] = message.split(' ')
    return messages[name]!(Number(amount))
  },
  { profiles, loop: features.includes('loop') },
)
const pki = await ensurePki({ directory: join(directory, 'pki'), clock, random, hostName: 'localhost', serviceAddress: '10.96.0.1' })
const store = await openEmbeddedStore({ directory: join(directory, 'store') })
const log = createLogger({ write: (line) => process.stderr.write(line), now: clock.now, level: 'warn' })
const server = createApiServer({
  store,
  ...(await featuresOf(features, { directory, store, clock, random, log })),
  log,
  listen: { tls: { key: pki.serving.key, cert: pki.serving.certificate, clientCa: pki.authority } },
  extensions: (context) => clusterExtensions(context, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '10.0.0.1', port: 6443 }),
})
await server.start(new AbortController().signal)
const client = server.clientFor({ username: 'bench', groups: ['system:masters'] })
const MAPS = 16
const there = (error: unknown) => {
  if (!hasReason(error, 'AlreadyExists')) throw error
}
for (const name of ['created', 'listed', 'watched']) await client.create(Namespace, { metadata: { name } }).catch(there)
for (const namespace of ['default', 'created', 'listed'])
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace } }).catch(there)

const messages: Record<string, (amount: number) => Promise<void>> = {
  /** Changes come from several writers at once, as they do where there are many. */
  async churn(count) {
    for (let i = 0; i < MAPS; i++)
      await client.create(ConfigMap, { metadata: { name: `w${i}`, namespace: 'watched' }, data: { x: '0' } }).catch(there)
    await patches(count, ConfigMap, (i) => ({ namespace: 'watched', name: `w${i % MAPS}` }))
  },
  /** Writes copies of the pod `seed` past the API: only their presence matters. */
  async fill(count) {
    const seed = Buffer.from((await store.get('/registry/pods/listed/seed'))!.value).toString()
    const write = (i: number) => store.put(`/registry/pods/listed/p${i}`, Buffer.from(seed.replace('"seed"', `"p${i}"`)), 0)
    for (let i = 0; i < count; i += 1000) await Promise.all(Array.from({ length: 1000 }, (_, k) => write(i + k)))
  },
  async collect() {
    globalThis.gc?.()
  },
  /** Leaves in order: compiled code is kept. */
  async leave() {
    flushCompileCache()
    process.exit(0)
  },
  update: (count) => patches(count, Pod, (i) => ({ namespace: 'listed', name: `p${(i * 7919) % 100_000}` })),
}
async function patches(count: number, kind: Kind<any>, key: (i: number) => { namespace: string; name: string }): Promise<void> {
  let next = 0
  const writer = async () => {
    while (next < count) {
      const i = next++
      const x = String(i).padStart(8, '0')
      const patch = kind === ConfigMap ? { data: { x } } : { metadata: { annotations: { x } } }
      await client.patch(kind, key(i), { type: 'merge', patch })
    }
  }
  await Promise.all(Array.from({ length: MAPS }, writer))
}
tune(UNDER_LOAD)
process.send!({ url: server.url, ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key })
