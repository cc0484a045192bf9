// For tests: a cluster in this process that an extension server beside it extends.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { Service } from '#api/kinds/core/service.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { RoleBinding } from '#api/kinds/rbac/role-binding.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { type ApiServerOptions, createApiServer } from '#server/api-server.ts'
import { clusterExtensions } from '#server/cluster-extensions.ts'
import { issueAuthority, issueCertificate } from '#server/pki/issuer.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { createMemoryStore } from '#store/memory.ts'
import { GROUP, startExtensionServer, VERSION } from './testing.ts'

export const NAME = `${VERSION}.${GROUP}`
const ACCOUNT = 'system:serviceaccount:default:wardle'

/** A whole API server with sockets, and an authority for extension servers. */
export async function cluster(t: TestContext, more: Pick<ApiServerOptions, 'auditor' | 'clock'> = {}) {
  const context = { now: systemClock.now(), random: systemRandom }
  const pki = await ensurePki({ clock: systemClock, random: systemRandom, hostName: 'boat' })
  const store = createMemoryStore()
  const server = createApiServer({
    ...more,
    store,
    listen: { host: '127.0.0.1', port: 0, tls: { cert: pki.serving.certificate, key: pki.serving.key, clientCa: pki.authority } },
    extensions: (given) => clusterExtensions(given, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '192.0.2.1', port: 6443 }),
  })
  const running = await server.start(new AbortController().signal)
  t.after(() => running[Symbol.asyncDispose]().then(() => store[Symbol.asyncDispose]()))
  const client = server.clientFor({ username: 'admin', groups: ['system:masters', 'system:authenticated'] })
  const get = async (path: string, headers = {}) => (await server.handle({ path, headers, peer: ADMIN })).json
  const authority = await issueAuthority('wardle', context)
  const certify = (name: string) => issueCertificate({ commonName: name, addresses: [name], usages: ['server auth'] }, authority, context)
  const condition = async (name = NAME) => {
    const { type: _type, lastTransitionTime: _time, ...rest } = (await client.get(APIService, { name })).status!.conditions![0]!
    return rest
  }
  return { server, client, get, authority, certify, condition, pki }
}

export const ADMIN = { certificate: { commonName: 'admin', organizations: ['system:masters'], fingerprint: 'AA:BB', notAfter: Infinity } }

export async function eventually(check: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await check()
      return
    } catch (error) {
      if (attempt > 5000) throw error
      await systemClock.sleep(25)
    }
  }
}

/** The extension server runs, may ask what it needs, and has its service; the APIService is the test's to make. */
export async function extended(t: TestContext, more: Pick<ApiServerOptions, 'clock'> = {}) {
  const made = await cluster(t, more)
  const { client, server, certify, authority } = made
  const subjects = [{ kind: 'ServiceAccount', name: 'wardle', namespace: 'default' }]
  const grant = (kind: string, name: string) => ({
    metadata: { name: `wardle-${name}` },
    subjects,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
  })
  await client.create(ClusterRoleBinding, grant('ClusterRole', 'system:auth-delegator'))
  const reader = grant('Role', 'extension-apiserver-authentication-reader')
  await client.create(RoleBinding, { ...reader, metadata: { name: 'wardle', namespace: 'kube-system' } })
  const own = server.clientFor({ username: ACCOUNT, groups: ['system:serviceaccounts', 'system:authenticated'] })
  const extension = await startExtensionServer({ client: own, serving: await certify('wardle.default.svc') })
  t.after(() => extension[Symbol.asyncDispose]())
  await client.create(Service, {
    metadata: { name: 'wardle', namespace: 'default' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  const apiService: APIService = {
    metadata: { name: NAME },
    spec: {
      group: GROUP,
      version: VERSION,
      groupPriorityMinimum: 2000,
      versionPriority: 200,
      service: { namespace: 'default', name: 'wardle', port: extension.port },
      caBundle: Buffer.from(authority.certificate).toString('base64'),
    },
  }
  const register = async () => {
    await client.create(APIService, apiService)
    await eventually(async () => assert.equal((await made.condition()).status, 'True'))
  }
  return { ...made, extension, apiService, register }
}
