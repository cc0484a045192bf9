// The server under bench/api.ts: embedded store, certificates, RBAC and admission as in a cluster. Tells its parent where it is and what it uses.
import { join } from 'node:path'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { createLogger } from '#lib/log.ts'
import { createApiServer } from '#server/api-server.ts'
import { clusterExtensions } from '#server/cluster-extensions.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { openEmbeddedStore } from '#store/embedded.ts'
import { tellUsage } from './usage.ts'

const directory = process.argv[2]!
const [clock, random] = [systemClock, systemRandom]
const pki = await ensurePki({ directory: join(directory, 'pki'), clock, random, hostName: 'localhost', serviceAddress: '10.96.0.1' })
const server = createApiServer({
  store: openEmbeddedStore({ directory: join(directory, 'store') }),
  log: createLogger({ write: (line) => process.stderr.write(line), now: clock.now, level: 'warn' }),
  listen: { tls: { key: pki.serving.key, cert: pki.serving.certificate, clientCa: pki.authority } },
  extensions: (context) => clusterExtensions(context, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '10.0.0.1', port: 6443 }),
})
await server.start(new AbortController().signal)
const client = server.clientFor({ username: 'bench', groups: ['system:masters'] })
for (const name of ['created', 'listed', 'watched']) await client.create(Namespace, { metadata: { name } })
for (const namespace of ['default', 'created', 'listed']) await client.create(ServiceAccount, { metadata: { name: 'default', namespace } })
const MAPS = 16
for (let i = 0; i < MAPS; i++) await client.create(ConfigMap, { metadata: { name: `w${i}`, namespace: 'watched' }, data: { x: '0' } })
tellUsage(async (message) => {
  // Changes come from several writers at once, as they do where there are many.
  const [, count] = message.split(' ')
  let next = 0
  await Promise.all(
    Array.from({ length: MAPS }, async (_, map) => {
      while (next < Number(count)) {
        const x = String(next++).padStart(8, '0')
        await client.patch(ConfigMap, { namespace: 'watched', name: `w${map}` }, { type: 'merge', patch: { data: { x } } })
      }
    }),
  )
}, process.argv[3])
process.send!({ url: server.url, ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key })
