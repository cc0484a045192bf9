import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, Pod, Service } from '#api/generated/types.ts'
import { notFoundError } from '#api/status.ts'
import type { KubeObject } from '#api/object.ts'
import type { Kind } from '#api/kind.ts'
import { containerEnvironment, type ReadObject } from './environment.ts'

const pod: Pod = {
  metadata: { name: 'web', namespace: 'shop', uid: 'u1', labels: { app: 'web' } },
  spec: { nodeName: 'n1', serviceAccountName: 'default', containers: [], enableServiceLinks: true },
}
const service = (
  namespace: string,
  name: string,
  clusterIP: string,
  ports: { name?: string; port: number; protocol?: string }[],
): Service => ({
  metadata: { namespace, name },
  spec: { clusterIP, ports },
})
const services = [
  service('shop', 'my-db', '10.96.0.7', [
    { name: 'sql', port: 5432, protocol: 'TCP' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ]),
  service('shop', 'headless', 'None', [{ port: 80 }]),
  service('other', 'elsewhere', '10.96.0.9', [{ port: 80 }]),
  service('default', 'kubernetes', '10.96.0.1', [{ name: 'https', port: 443, protocol: 'TCP' }]),
]
const objects: Record<string, KubeObject> = {
  'ConfigMap/settings': { data: { COLOUR: 'blue', SIZE: 'L' } } as KubeObject,
  'Secret/login': { data: { PASSWORD: Buffer.from('s3cret').toString('base64') } } as KubeObject,
}
const read: ReadObject = async <T extends KubeObject>(kind: Kind<T>, name: string) => {
  const found = objects[`${kind.kind}/${name}`]
  if (!found) throw notFoundError({ group: kind.group, plural: kind.singular }, name)
  return found as T
}
const context = { facts: { podIps: ['10.244.0.2'], hostIps: ['192.0.2.1'] }, allocatable: { cpu: '4', memory: '8Gi' }, services, read }
const environmentOf = async (container: Partial<Container>, own: Pod = pod) =>
  Object.fromEntries(await containerEnvironment(own, { name: 'app', ...container }, context))

test('containerEnvironment links services of the namespace and the API', async () => {
  const environment = await environmentOf({})
  assert.deepEqual(environment, {
    MY_DB_SERVICE_HOST: '10.96.0.7',
    MY_DB_SERVICE_PORT: '5432',
    MY_DB_SERVICE_PORT_SQL: '5432',
    MY_DB_SERVICE_PORT_DNS: '53',
    MY_DB_PORT: 'tcp://10.96.0.7:5432',
    MY_DB_PORT_5432_TCP: 'tcp://10.96.0.7:5432',
    MY_DB_PORT_5432_TCP_PROTO: 'tcp',
    MY_DB_PORT_5432_TCP_PORT: '5432',
    MY_DB_PORT_5432_TCP_ADDR: '10.96.0.7',
    MY_DB_PORT_53_UDP: 'udp://10.96.0.7:53',
    MY_DB_PORT_53_UDP_PROTO: 'udp',
    MY_DB_PORT_53_UDP_PORT: '53',
    MY_DB_PORT_53_UDP_ADDR: '10.96.0.7',
    KUBERNETES_SERVICE_HOST: '10.96.0.1',
    KUBERNETES_SERVICE_PORT: '443',
    KUBERNETES_SERVICE_PORT_HTTPS: '443',
    KUBERNETES_PORT: 'tcp://10.96.0.1:443',
    KUBERNETES_PORT_443_TCP: 'tcp://10.96.0.1:443',
    KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
    KUBERNETES_PORT_443_TCP_PORT: '443',
    KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
  })
})

test('containerEnvironment without service links still names the API', async () => {
  const environment = await environmentOf({}, { ...pod, spec: { ...pod.spec!, enableServiceLinks: false } })
  assert.equal(environment.KUBERNETES_SERVICE_HOST, '10.96.0.1')
  assert.equal(environment.MY_DB_SERVICE_HOST, undefined)
})

test('containerEnvironment lets env win over envFrom, in order, with references to earlier names', async () => {
  const environment = await environmentOf({
    envFrom: [
      { configMapRef: { name: 'settings' } },
      { prefix: 'DB_', secretRef: { name: 'login' } },
      { configMapRef: { name: 'none', optional: true } },
    ],
    env: [
      { name: 'COLOUR', value: 'red' },
      { name: 'URL', value: 'http://$(MY_DB_SERVICE_HOST)/$(COLOUR)/$(LATER)' },
      { name: 'LATER', value: 'x' },
    ],
  })
  assert.equal(environment.COLOUR, 'red')
  assert.equal(environment.SIZE, 'L')
  assert.equal(environment.DB_PASSWORD, 's3cret')
  assert.equal(environment.URL, 'http://10.96.0.7/red/$(LATER)')
})

const sources: [name: string, valueFrom: object, value: string][] = [
  ['a label', { fieldRef: { fieldPath: "metadata.labels['app']" } }, 'web'],
  ['the pod address', { fieldRef: { fieldPath: 'status.podIP' } }, '10.244.0.2'],
  ['the node address', { fieldRef: { fieldPath: 'status.hostIP' } }, '192.0.2.1'],
  ['a limit in its divisor', { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } }, '64'],
  ['a request rounded up', { resourceFieldRef: { resource: 'requests.cpu' } }, '1'],
  ['a limit that is not set', { resourceFieldRef: { resource: 'limits.cpu' } }, '4'],
  ['a secret key', { secretKeyRef: { name: 'login', key: 'PASSWORD' } }, 's3cret'],
]
for (const [name, valueFrom, value] of sources) {
  test(`containerEnvironment takes ${name}`, async () => {
    const container = { resources: { limits: { memory: '64Mi' }, requests: { cpu: '100m' } }, env: [{ name: 'X', valueFrom }] }
    assert.equal((await environmentOf(container)).X, value)
  })
}

const failures: [name: string, valueFrom: object, message: string][] = [
  ['a missing config map', { configMapKeyRef: { name: 'gone', key: 'a' } }, 'configmap "gone" not found'],
  ['a missing key', { configMapKeyRef: { name: 'settings', key: 'a' } }, "couldn't find key a in ConfigMap shop/settings"],
  ['a missing secret key', { secretKeyRef: { name: 'login', key: 'a' } }, "couldn't find key a in Secret shop/login"],
  [
    'a key of the prototype',
    { configMapKeyRef: { name: 'settings', key: 'constructor' } },
    "couldn't find key constructor in ConfigMap shop/settings",
  ],
]
for (const [name, valueFrom, message] of failures) {
  test(`containerEnvironment refuses ${name}`, async () => {
    await assert.rejects(environmentOf({ env: [{ name: 'X', valueFrom }] }), { message })
  })
}

test('containerEnvironment leaves out what is optional and absent', async () => {
  const environment = await environmentOf({
    env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'gone', key: 'a', optional: true } } }],
  })
  assert.equal('X' in environment, false)
})
