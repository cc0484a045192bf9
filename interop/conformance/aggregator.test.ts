// An extension server beside the cluster, met by kubectl as if the cluster served it: registered, asked, described, changed, and unregistered.
// It is a process with an address of its own behind a service without selector: what matters here is between it and the API server.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemRandom as random } from '#lib/random.ts'
import { issueAuthority, issueCertificate } from '#server/pki/issuer.ts'
import { eventually, Instance, noKubectl, noRealNode, root } from '../instance.ts'

const TITLE =
  '[sig-api-machinery] Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator [LinuxOnly] [Conformance]'
const ADDRESS = '192.0.2.10'
const API = 'v1alpha1.wardle.example.com'
const FLUNDERS = '/apis/wardle.example.com/v1alpha1/namespaces/aggregator/flunders'

const ACCOUNT = `
apiVersion: v1
kind: Namespace
metadata: {name: aggregator}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: sample-apiserver, namespace: aggregator}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: 'wardler:auth-delegator'}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: 'system:auth-delegator'}
subjects: [{kind: ServiceAccount, name: sample-apiserver, namespace: aggregator}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: wardler-auth-reader, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}
subjects: [{kind: ServiceAccount, name: sample-apiserver, namespace: aggregator}]
`

const registration = (caBundle: string) => `
apiVersion: v1
kind: Service
metadata: {name: sample-api, namespace: aggregator}
spec: {ports: [{port: 7443, targetPort: 7443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: sample-api, namespace: aggregator, labels: {kubernetes.io/service-name: sample-api}}
addressType: IPv4
ports: [{port: 7443}]
endpoints: [{addresses: [${ADDRESS}], conditions: {ready: true}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: ${API}, labels: {e2e: sample}}
spec:
  group: wardle.example.com
  version: v1alpha1
  groupPriorityMinimum: 2000
  versionPriority: 200
  service: {namespace: aggregator, name: sample-api, port: 7443}
  caBundle: ${caBundle}
`

async function startServer(cluster: Instance): Promise<{ child: ChildProcess; caBundle: string }> {
  const context = { now: Date.now(), random }
  const authority = await issueAuthority('sample', context)
  const name = 'sample-api.aggregator.svc'
  const serving = await issueCertificate({ commonName: name, addresses: [name], usages: ['server auth'] }, authority, context)
  const config = JSON.parse(await cluster.ok('config view --raw -o json')).clusters[0].cluster
  const token = (await cluster.ok('create token sample-apiserver -n aggregator')).trim()
  const ca = Buffer.from(config['certificate-authority-data'], 'base64').toString()
  const child = cluster.spawnInside([process.execPath, join(root, 'interop/inside/extension-server.ts'), ADDRESS, '7443'])
  child.stderr!.pipe(process.stderr)
  child.stdin!.end(JSON.stringify({ url: config.server, ca, token, serving }))
  await once(child.stdout!, 'data')
  return { child, caBundle: Buffer.from(authority.certificate).toString('base64') }
}

test(TITLE, { skip: noRealNode || noKubectl }, async (t) => {
  await using cluster = await Instance.start({ nodes: 'none' })
  await cluster.inside(['ip', 'address', 'add', `${ADDRESS}/32`, 'dev', 'lo'])
  await cluster.ok(['apply', '-f', '-'], { input: ACCOUNT })
  const { child, caBundle } = await startServer(cluster)
  t.after(() => child.kill('SIGKILL'))
  await cluster.ok(['apply', '-f', '-'], { input: registration(caBundle) })
  await cluster.ok(`wait --for=condition=Available --timeout=300s apiservice/${API}`)
  const json = async (words: string) => JSON.parse(await cluster.ok(words))

  // By path, as a client that knows nothing of it.
  const first = JSON.stringify({ apiVersion: 'wardle.example.com/v1alpha1', kind: 'Flunder', metadata: { name: 'raw-flunder' } })
  await cluster.ok(['create', '--raw', FLUNDERS, '-f', '-'], { input: first })
  assert.equal((await json(`get --raw ${FLUNDERS}/raw-flunder`)).metadata.name, 'raw-flunder')
  await cluster.ok(`delete --raw ${FLUNDERS}/raw-flunder`)
  assert.deepEqual((await json(`get --raw ${FLUNDERS}`)).items, [])

  // By discovery, as any resource.
  const known = /^flunders\s+wardle\.example\.com\/v1alpha1\s+true\s+Flunder$/m
  await eventually(async () => known.test(await cluster.ok('api-resources --api-group=wardle.example.com')), { what: 'its resources' })
  const flunder = first.replace('raw-flunder', 'dynamic-flunder')
  await cluster.ok('create --validate=false -n aggregator -f -'.split(' '), { input: flunder })
  assert.match(await cluster.ok('get flunders -n aggregator'), /^dynamic-flunder /m)
  await cluster.ok('label flunder dynamic-flunder -n aggregator colour=blue')
  assert.equal((await json('get flunders -n aggregator -l colour=blue -o json')).items.length, 1)
  await cluster.ok('delete flunders -n aggregator -l colour=blue')
  assert.equal((await json('get flunders -n aggregator -o json')).items.length, 0)

  // The registration itself.
  assert.match(await cluster.ok(`get apiservice ${API}`), /aggregator\/sample-api\s+True/)
  const available = (await json(`get apiservice ${API} -o json`)).status.conditions.find(({ type }: any) => type === 'Available')
  assert.deepEqual([available.reason, available.message], ['Passed', 'all checks passed'])
  const status = {
    status: { conditions: [available, { ...available, type: 'StatusUpdated', reason: 'E2E', message: 'Set from an e2e test' }] },
  }
  await cluster.ok(['patch', 'apiservice', API, '--subresource=status', '--type=merge', '-p', JSON.stringify(status)])
  const updated = (await json(`get apiservice ${API} --subresource=status -o json`)).status.conditions
  assert.ok(updated.some(({ type, reason }: any) => type === 'StatusUpdated' && reason === 'E2E'))
  await cluster.ok(['patch', 'apiservice', API, '--type=merge', '-p', '{"spec":{"versionPriority":400}}'])
  assert.equal((await json(`get apiservice ${API} -o json`)).spec.versionPriority, 400)

  // Gone, it is served no more, and comes back as soon as it is there again.
  child.kill('SIGKILL')
  await once(child, 'exit')
  const unreachable = await cluster.kubectl(`get --raw ${FLUNDERS}`)
  assert.match(unreachable.stderr, /Error from server \(ServiceUnavailable\): the server is currently unable to handle the request/)
  await eventually(async () => /False \(FailedDiscoveryCheck\)/.test(await cluster.ok(`get apiservice ${API}`)), {
    what: 'an unavailable API service',
  })
  await cluster.ok('delete apiservices -l e2e=sample')
  assert.match((await cluster.kubectl(`get --raw ${FLUNDERS}`)).stderr, /NotFound/)
})
