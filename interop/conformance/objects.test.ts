// Conformance tests of services, pods, nodes, configuration and storage objects, each written from its description and named after it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CoreV1Api, StorageV1Api } from '@kubernetes/client-node'
import { type Json, merge, startSuite, strategic, type Suite } from './cluster.ts'

let suite: Suite
before(async () => {
  suite = await startSuite()
})
after(() => suite[Symbol.asyncDispose]())

const core = (namespace: string, plural: string, name = '') => `/api/v1/namespaces/${namespace}/${plural}${name ? `/${name}` : ''}`
const slices = (namespace: string, query = '') => `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices${query}`
const container = { name: 'main', image: 'app' }

describe('network objects', { concurrency: 4 }, () => {
  const conformance = (title: string, run: (namespace: string) => Promise<void>) =>
    test(`[sig-network] ${title} [Conformance]`, async () => run(await suite.namespace()))

  conformance('API Server should provide secure master service', async () => {
    const { spec } = await suite.ok('GET', core('default', 'services', 'kubernetes'))
    assert.ok(spec.ports.some(({ name, port }: Json) => name === 'https' && port === 443))
  })

  conformance('API Server should have Endpoints and EndpointSlices pointing to API Server', async () => {
    const { subsets } = await suite.ok('GET', core('default', 'endpoints', 'kubernetes'))
    const { items } = await suite.ok('GET', slices('default', '?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes'))
    assert.ok(subsets.length > 0 && items.length > 0)
    const addresses = items.flatMap(({ endpoints }: Json) => endpoints.flatMap((one: Json) => one.addresses))
    for (const { addresses: own, ports } of subsets) {
      assert.ok(own.every(({ ip }: Json) => addresses.includes(ip)))
      assert.deepEqual(
        ports.map(({ name }: Json) => name),
        ['https'],
      )
    }
  })

  const empty = {
    metadata: { name: 'example-empty-selector' },
    spec: { selector: { 'does-not-match': 'any-pod' }, ports: [{ name: 'example', port: 80, protocol: 'TCP' }] },
  }
  conformance(
    'EndpointsController should create and delete Endpoints for a Service with a selector that matches no pods',
    async (namespace) => {
      const { name } = empty.metadata
      await suite.ok('POST', core(namespace, 'services'), { body: empty })
      const endpoints = await suite.eventually('the endpoints', () => suite.found(core(namespace, 'endpoints', name)))
      assert.deepEqual(endpoints.subsets ?? [], [])
      await suite.ok('DELETE', core(namespace, 'services', name))
      await suite.gone(core(namespace, 'endpoints', name))
    },
  )

  conformance(
    'EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods',
    async (namespace) => {
      const { name } = empty.metadata
      const list = async () => (await suite.ok('GET', slices(namespace, `?labelSelector=kubernetes.io%2Fservice-name%3D${name}`))).items
      await suite.ok('POST', core(namespace, 'services'), { body: empty })
      const [slice] = await suite.eventually('a slice', async () => ((await list()).length === 1 ? list() : undefined))
      assert.deepEqual(slice.endpoints ?? [], [])
      await suite.ok('DELETE', core(namespace, 'services', name))
      await suite.eventually('no slice', async () => (await list()).length === 0)
    },
  )

  conformance('EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete', async (namespace) => {
    const name = 'example-custom-endpoints'
    await suite.ok('POST', core(namespace, 'services'), {
      body: { metadata: { name }, spec: { ports: [{ name: 'example', port: 80, protocol: 'TCP' }] } },
    })
    const subsets = (ip: string) => [{ ports: [{ port: 80 }], addresses: [{ ip }] }]
    await suite.ok('POST', core(namespace, 'endpoints'), { body: { metadata: { name }, subsets: subsets('10.1.2.3') } })
    const mirrored = async () => (await suite.ok('GET', slices(namespace, `?labelSelector=kubernetes.io%2Fservice-name%3D${name}`))).items
    const shows = (ip: string) =>
      suite.eventually(`${ip} in a slice`, async () => {
        const all = await mirrored()
        return all.length === 1 && all[0].endpoints[0]?.addresses[0] === ip && all[0].ports[0].port === 80
      })
    await shows('10.1.2.3')
    await suite.ok('PATCH', core(namespace, 'endpoints', name), { type: merge, body: { subsets: subsets('10.2.3.4') } })
    await shows('10.2.3.4')
    await suite.ok('DELETE', core(namespace, 'endpoints', name))
    await suite.eventually('no slice', async () => (await mirrored()).length === 0)
  })

  conformance('Services should find a service from listing all namespaces', async () => {
    const { items } = await suite.ok('GET', '/api/v1/services')
    assert.ok(items.some(({ metadata }: Json) => metadata.name === 'kubernetes' && metadata.namespace === 'default'))
  })

  conformance('Services should complete a service status lifecycle', async (namespace) => {
    const path = core(namespace, 'services', 'test-service')
    using told = await suite.watch(core(namespace, 'services'), { labelSelector: 'test-service-static=true' })
    await suite.ok('POST', core(namespace, 'services'), {
      body: {
        metadata: { name: 'test-service', labels: { 'test-service-static': 'true' } },
        spec: { type: 'LoadBalancer', ports: [{ name: 'http', port: 80, targetPort: 80 }] },
      },
    })
    const patched = await suite.ok('PATCH', `${path}/status`, {
      type: merge,
      body: { metadata: { annotations: { patchedstatus: 'true' } }, status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } } },
    })
    assert.deepEqual([patched.metadata.annotations.patchedstatus, patched.status.loadBalancer.ingress[0].ip], ['true', '203.0.113.1'])
    const fresh = await suite.ok('GET', `${path}/status`)
    fresh.status.conditions = [
      { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from e2e test', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ]
    const updated = await suite.ok('PUT', `${path}/status`, { body: fresh })
    assert.equal(updated.status.conditions[0].type, 'StatusUpdate')
    const labelled = await suite.ok('PATCH', path, { type: strategic, body: { metadata: { labels: { 'test-service': 'patched' } } } })
    assert.equal(labelled.metadata.labels['test-service'], 'patched')
    await suite.ok('DELETE', path)
    await told.until((events) => events.at(-1)?.type === 'DELETED')
  })

  conformance('Services should delete a collection of services', async (namespace) => {
    for (const n of [1, 2, 3])
      await suite.ok('POST', core(namespace, 'services'), {
        body: { metadata: { name: `e2e-svc-${n}`, labels: { e2e: n < 3 ? 'gone' : 'kept' } }, spec: { ports: [{ port: 8000 + n }] } },
      })
    await suite.ok('DELETE', `${core(namespace, 'services')}?labelSelector=e2e%3Dgone`)
    const { items } = await suite.ok('GET', core(namespace, 'services'))
    assert.deepEqual(
      items.map(({ metadata }: Json) => metadata.name),
      ['e2e-svc-3'],
    )
  })
})

describe('configuration', { concurrency: 4 }, () => {
  const conformance = (title: string, run: (namespace: string) => Promise<void>) =>
    test(`${title} [Conformance]`, async () => run(await suite.namespace()))

  for (const [kind, plural] of [
    ['ConfigMap', 'configmaps'],
    ['Secret', 'secrets'],
  ] as const) {
    conformance(
      kind === 'ConfigMap'
        ? '[sig-node] ConfigMap should fail to create ConfigMap with empty key'
        : '[sig-node] Secrets should fail to create secret due to empty secret key',
      async (namespace) => {
        const answer = await suite.ask('POST', core(namespace, plural), {
          body: { metadata: { name: 'empty-key' }, data: { '': kind === 'Secret' ? 'dmFsdWU=' : 'value' } },
        })
        assert.deepEqual([answer.code, answer.body.reason], [422, 'Invalid'])
      },
    )

    conformance(
      kind === 'ConfigMap'
        ? '[sig-storage] ConfigMap should be immutable if `immutable` field is set'
        : '[sig-storage] Secrets should be immutable if `immutable` field is set',
      async (namespace) => {
        const value = (text: string) => (kind === 'Secret' ? Buffer.from(text).toString('base64') : text)
        const path = core(namespace, plural, 'immutable')
        const made = await suite.ok('POST', core(namespace, plural), {
          body: { metadata: { name: 'immutable' }, data: { 'data-1': value('value-1') } },
        })
        const changed = await suite.ok('PUT', path, { body: { ...made, data: { 'data-1': value('value-2') } } })
        const frozen = await suite.ok('PUT', path, { body: { ...changed, immutable: true } })
        for (const body of [
          { ...frozen, immutable: false },
          { ...frozen, data: { 'data-1': value('value-3') } },
        ])
          assert.equal((await suite.ask('PUT', path, { body })).code, 422)
        await suite.ok('PUT', path, { body: { ...frozen, metadata: { ...frozen.metadata, labels: { still: 'changeable' } } } })
        await suite.ok('DELETE', path)
      },
    )
  }

  conformance('[sig-node] ConfigMap should run through a ConfigMap lifecycle', async (namespace) => {
    using told = await suite.watch(core(namespace, 'configmaps'), { labelSelector: 'test-configmap-static=true' })
    const client = suite.kubeconfig.makeApiClient(CoreV1Api)
    await client.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name: 'test-configmap', labels: { 'test-configmap-static': 'true' } }, data: { valueName: 'value' } },
    })
    await suite.ok('PATCH', core(namespace, 'configmaps', 'test-configmap'), {
      type: strategic,
      body: { metadata: { labels: { 'test-configmap': 'patched' } }, data: { valueName: 'value1' } },
    })
    const patched = await client.readNamespacedConfigMap({ namespace, name: 'test-configmap' })
    assert.deepEqual([patched.data?.valueName, patched.metadata?.labels?.['test-configmap']], ['value1', 'patched'])
    assert.equal((await suite.ok('GET', '/api/v1/configmaps?labelSelector=test-configmap-static%3Dtrue')).items.length, 1)
    await suite.ok('DELETE', `${core(namespace, 'configmaps')}?labelSelector=test-configmap-static%3Dtrue`)
    await told.until(['ADDED', 'MODIFIED', 'DELETED'])
  })

  conformance('[sig-node] ConfigMap should update ConfigMap successfully [NodeConformance]', async (namespace) => {
    const made = await suite.ok('POST', core(namespace, 'configmaps'), { body: { metadata: { name: 'cm' }, data: {} } })
    await suite.ok('PUT', core(namespace, 'configmaps', 'cm'), { body: { ...made, data: { data: 'value' } } })
    assert.deepEqual((await suite.ok('GET', core(namespace, 'configmaps', 'cm'))).data, { data: 'value' })
  })

  conformance('[sig-node] Secrets should patch a secret', async (namespace) => {
    const labels = { testsecret: 'true', 'testsecret-constant': 'true' }
    await suite.ok('POST', core(namespace, 'secrets'), {
      body: { metadata: { name: 'test-secret', labels }, type: 'Opaque', data: { key: 'dmFsdWU=' } },
    })
    const selector = 'labelSelector=testsecret-constant%3Dtrue'
    assert.equal((await suite.ok('GET', `/api/v1/secrets?${selector}`)).items.length, 1)
    await suite.ok('PATCH', core(namespace, 'secrets', 'test-secret'), {
      type: strategic,
      body: { metadata: { labels: { testsecret: 'false' } }, data: { key: 'dmFsdWUx' } },
    })
    const [found] = (await suite.ok('GET', `/api/v1/secrets?${selector}`)).items
    assert.deepEqual([found.data.key, found.metadata.labels.testsecret], ['dmFsdWUx', 'false'])
    await suite.ok('DELETE', `${core(namespace, 'secrets')}?${selector}`)
    assert.equal((await suite.ok('GET', `/api/v1/secrets?${selector}`)).items.length, 0)
  })
})

describe('nodes and pods', { concurrency: 4 }, () => {
  const conformance = (title: string, run: (namespace: string) => Promise<void>) =>
    test(`${title} [Conformance]`, async () => run(await suite.namespace()))

  conformance('[sig-node] Node Lifecycle should run through the lifecycle of a node', async () => {
    const name = 'e2e-fake-node'
    const made = await suite.ok('POST', '/api/v1/nodes', {
      body: {
        metadata: { name },
        status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', message: 'Set from e2e test', reason: 'E2E' }] },
      },
    })
    assert.equal(made.metadata.name, name)
    await suite.ok('GET', `/api/v1/nodes/${name}`)
    const patched = await suite.ok('PATCH', `/api/v1/nodes/${name}`, {
      type: strategic,
      body: { metadata: { labels: { 'e2e-patched': 'yes' } } },
    })
    assert.equal(patched.metadata.labels['e2e-patched'], 'yes')
    const selector = 'labelSelector=e2e-patched%3Dyes'
    assert.equal((await suite.ok('GET', `/api/v1/nodes?${selector}`)).items.length, 1)
    await suite.eventually('an update', async () => {
      const fresh = await suite.ok('GET', `/api/v1/nodes/${name}`)
      return (
        (
          await suite.ask('PUT', `/api/v1/nodes/${name}`, {
            body: { ...fresh, metadata: { ...fresh.metadata, labels: { ...fresh.metadata.labels, 'e2e-updated': 'yes' } } },
          })
        ).code === 200
      )
    })
    const status = await suite.ok('PATCH', `/api/v1/nodes/${name}/status`, {
      type: strategic,
      body: {
        metadata: { annotations: { patched: 'true' } },
        status: { conditions: [{ type: 'E2E', status: 'True', reason: 'Set', message: 'set' }] },
      },
    })
    assert.ok(status.status.conditions.some(({ type }: Json) => type === 'E2E'))
    await suite.ok('DELETE', `/api/v1/nodes?${selector}`)
    await suite.gone(`/api/v1/nodes/${name}`)
  })

  conformance(
    '[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and cpu',
    async (namespace) => {
      const resources = { cpu: '100m', memory: '100Mi' }
      await suite.ok('POST', core(namespace, 'pods'), {
        body: {
          metadata: { name: 'qos' },
          spec: { containers: [{ ...container, resources: { requests: resources, limits: resources } }] },
        },
      })
      assert.equal((await suite.ok('GET', core(namespace, 'pods', 'qos'))).status.qosClass, 'Guaranteed')
    },
  )

  const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [container] } }
  conformance('[sig-node] PodTemplates should replace a pod template', async (namespace) => {
    const made = await suite.ok('POST', core(namespace, 'podtemplates'), { body: { metadata: { name: 'template' }, template } })
    const replaced = await suite.ok('PUT', core(namespace, 'podtemplates', 'template'), {
      body: { ...made, metadata: { ...made.metadata, annotations: { updated: 'true' } } },
    })
    assert.equal(replaced.metadata.annotations.updated, 'true')
  })

  conformance('[sig-node] PodTemplates should delete a collection of pod templates', async (namespace) => {
    for (const n of [1, 2, 3])
      await suite.ok('POST', core(namespace, 'podtemplates'), {
        body: { metadata: { name: `test-podtemplate-${n}`, labels: { 'podtemplate-set': 'true' } }, template },
      })
    await suite.ok('DELETE', `${core(namespace, 'podtemplates')}?labelSelector=podtemplate-set%3Dtrue`)
    assert.deepEqual((await suite.ok('GET', core(namespace, 'podtemplates'))).items, [])
  })

  const runtimeClass = async (more: Json = {}) => {
    const { metadata } = await suite.ok('POST', '/apis/node.k8s.io/v1/runtimeclasses', {
      body: { metadata: { generateName: 'e2e-runtime-' }, handler: 'some-handler', ...more },
    })
    return metadata.name as string
  }
  const withClass = (name: string, runtimeClassName: string) => ({
    metadata: { name },
    spec: { runtimeClassName, containers: [container] },
  })

  conformance('[sig-node] RuntimeClass should reject a Pod requesting a non-existent RuntimeClass [NodeConformance]', async (namespace) => {
    const answer = await suite.ask('POST', core(namespace, 'pods'), { body: withClass('pod', 'nonexistent') })
    assert.deepEqual([answer.code, answer.body.reason], [403, 'Forbidden'])
    assert.match(answer.body.message, /RuntimeClass "nonexistent" not found/)
  })

  conformance('[sig-node] RuntimeClass should reject a Pod requesting a deleted RuntimeClass [NodeConformance]', async (namespace) => {
    const name = await runtimeClass()
    await suite.ok('DELETE', `/apis/node.k8s.io/v1/runtimeclasses/${name}`)
    assert.equal((await suite.ask('POST', core(namespace, 'pods'), { body: withClass('pod', name) })).code, 403)
  })

  for (const [title, overhead] of [
    ['schedule a Pod requesting a RuntimeClass without PodOverhead', undefined],
    ['schedule a Pod requesting a RuntimeClass and initialize its Overhead', { podFixed: { cpu: '10m', memory: '1Mi' } }],
  ] as const) {
    conformance(`[sig-node] RuntimeClass should ${title} [NodeConformance]`, async (namespace) => {
      const name = await runtimeClass(overhead ? { overhead } : {})
      const pod = await suite.ok('POST', core(namespace, 'pods'), { body: withClass('pod', name) })
      assert.deepEqual(pod.spec.overhead, overhead?.podFixed)
      await suite.eventually('the pod to be scheduled', async () => (await suite.ok('GET', core(namespace, 'pods', 'pod'))).spec.nodeName)
    })
  }

  conformance('[sig-node] Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls', async (namespace) => {
    const sysctls = [
      { name: 'foo-', value: 'bar' },
      { name: 'kernel.shmmax', value: '100000000' },
      { name: 'safe-and-unsafe', value: '100000000' },
      { name: 'bar..', value: '42' },
    ]
    const answer = await suite.ask('POST', core(namespace, 'pods'), {
      body: { metadata: { name: 'sysctl' }, spec: { securityContext: { sysctls }, containers: [container] } },
    })
    assert.equal(answer.code, 422)
    assert.match(answer.body.message, /Invalid value: "foo-"/)
    assert.match(answer.body.message, /Invalid value: "bar.."/)
    assert.doesNotMatch(answer.body.message, /kernel.shmmax/)
  })

  conformance(
    '[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods',
    async () => {
      const root = '/apis/scheduling.k8s.io/v1/priorityclasses'
      for (const [name, value] of [
        ['p1', 1],
        ['p2', 2],
      ] as const)
        await suite.ok('POST', root, { body: { metadata: { name, labels: { e2e: 'priority' } }, value } })
      for (const [name, value] of [
        ['p1', 1],
        ['p2', 2],
      ] as const) {
        const refused = await suite.ask('PATCH', `${root}/${name}`, {
          type: 'application/json-patch+json',
          body: [{ op: 'replace', path: '/value', value: value * 10 }],
        })
        assert.equal(refused.code, 422)
        const patched = await suite.ok('PATCH', `${root}/${name}`, {
          type: 'application/json-patch+json',
          body: [{ op: 'replace', path: '/description', value: 'updated' }].map((one) => ({ ...one, op: 'add' })),
        })
        assert.equal(patched.description, 'updated')
        assert.equal((await suite.ask('PUT', `${root}/${name}`, { body: { ...patched, value: value * 10 } })).code, 422)
        await suite.ok('PUT', `${root}/${name}`, { body: { ...patched, description: 'again' } })
      }
      assert.equal((await suite.ok('GET', `${root}?labelSelector=e2e%3Dpriority`)).items.length, 2)
      await suite.ok('DELETE', `${root}?labelSelector=e2e%3Dpriority`)
      for (const name of ['p1', 'p2']) await suite.gone(`${root}/${name}`)
    },
  )
})

describe('storage objects', { concurrency: 4 }, () => {
  const conformance = (title: string, run: (namespace: string) => Promise<void>) =>
    test(`[sig-storage] ${title} [Conformance]`, async () => run(await suite.namespace()))

  conformance('CSIInlineVolumes should support CSIVolumeSource in Pod API', async (namespace) => {
    await suite.ok('POST', '/apis/storage.k8s.io/v1/csidrivers', {
      body: {
        metadata: { name: 'inline-driver.example.com', labels: { 'security.kubernetes.io/csi-ephemeral-volume-profile': 'restricted' } },
        spec: { volumeLifecycleModes: ['Ephemeral'] },
      },
    })
    const volumes = [{ name: 'csi', csi: { driver: 'inline-driver.example.com' } }]
    const path = core(namespace, 'pods')
    await suite.ok('POST', path, {
      body: { metadata: { name: 'inline', labels: { inline: 'yes' } }, spec: { volumes, containers: [container] } },
    })
    assert.equal((await suite.ok('GET', `${path}/inline`)).spec.volumes[0].csi.driver, 'inline-driver.example.com')
    const patched = await suite.ok('PATCH', `${path}/inline/status`, {
      type: strategic,
      body: { metadata: { annotations: { patched: 'true' } } },
    })
    assert.equal(patched.metadata.annotations.patched, 'true')
    await suite.ok('DELETE', `${path}?labelSelector=inline%3Dyes&gracePeriodSeconds=0`)
    await suite.gone(`${path}/inline`)
  })

  const volume = (name: string, labels: Json) => ({
    metadata: { name, labels },
    spec: {
      storageClassName: name,
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: '/tmp/e2e' },
    },
  })
  const claim = (name: string, storageClassName: string, labels: Json) => ({
    metadata: { name, labels },
    spec: { storageClassName, accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })

  conformance('PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC', async (namespace) => {
    const name = `pv-${namespace}`
    const labels = { 'e2e-volume': namespace }
    const client = suite.kubeconfig.makeApiClient(CoreV1Api)
    await client.createPersistentVolume({ body: volume(name, labels) as any })
    await client.createNamespacedPersistentVolumeClaim({ namespace, body: claim('pvc', name, labels) as any })
    await suite.eventually(
      'the claim to be bound',
      async () => (await suite.ok('GET', core(namespace, 'persistentvolumeclaims', 'pvc'))).status.phase === 'Bound',
    )
    assert.equal((await suite.ok('GET', `/api/v1/persistentvolumes/${name}`)).spec.claimRef.name, 'pvc')
    for (const path of [`/api/v1/persistentvolumes/${name}`, core(namespace, 'persistentvolumeclaims', 'pvc')]) {
      await suite.ok('PATCH', path, { type: strategic, body: { metadata: { labels: { patched: 'yes' } } } })
      const fresh = await suite.ok('GET', path)
      assert.equal(fresh.metadata.labels.patched, 'yes')
      await suite.updated(path, ({ metadata }) => void (metadata.labels.updated = 'yes'))
    }
    const selector = `labelSelector=e2e-volume%3D${namespace}`
    assert.equal((await suite.ok('GET', `/api/v1/persistentvolumes?${selector}`)).items.length, 1)
    assert.equal((await suite.ok('GET', `/api/v1/persistentvolumeclaims?${selector}`)).items.length, 1)
    await suite.ok('DELETE', core(namespace, 'persistentvolumeclaims', 'pvc'))
    await suite.gone(core(namespace, 'persistentvolumeclaims', 'pvc'))
    await suite.ok('DELETE', `/api/v1/persistentvolumes?${selector}`)
    await suite.gone(`/api/v1/persistentvolumes/${name}`)
  })

  conformance('PersistentVolumes CSI Conformance should apply changes to a pv/pvc status', async (namespace) => {
    const name = `pvs-${namespace}`
    await suite.ok('POST', '/api/v1/persistentvolumes', { body: volume(name, {}) })
    await suite.ok('POST', core(namespace, 'persistentvolumeclaims'), { body: claim('pvc', name, {}) })
    await suite.eventually(
      'the claim to be bound',
      async () => (await suite.ok('GET', core(namespace, 'persistentvolumeclaims', 'pvc'))).status.phase === 'Bound',
    )
    const path = core(namespace, 'persistentvolumeclaims', 'pvc')
    const condition = { type: 'StatusPatched', status: 'True', reason: 'E2E patchStatus', message: 'Set from e2e test' }
    const patched = await suite.ok('PATCH', `${path}/status`, {
      type: merge,
      body: { metadata: { annotations: { patchedstatus: 'true' } }, status: { conditions: [condition] } },
    })
    assert.equal(patched.status.conditions[0].type, 'StatusPatched')
    const updated = await suite.ok('PUT', `${path}/status`, {
      body: { ...patched, status: { ...patched.status, conditions: [{ ...condition, type: 'StatusUpdated' }] } },
    })
    assert.equal(updated.status.conditions[0].type, 'StatusUpdated')
    const own = `/api/v1/persistentvolumes/${name}/status`
    const shown = await suite.ok('PATCH', own, {
      type: merge,
      body: { metadata: { annotations: { patchedstatus: 'true' } }, status: { message: 'StatusPatched', reason: 'E2E patchStatus' } },
    })
    assert.deepEqual([shown.status.message, shown.status.reason], ['StatusPatched', 'E2E patchStatus'])
    const again = await suite.ok('PUT', own, { body: { ...shown, status: { ...shown.status, message: 'StatusUpdated' } } })
    assert.equal(again.status.message, 'StatusUpdated')
  })

  conformance('VolumeAttachment Conformance should apply changes to a volumeattachment status', async () => {
    const root = '/apis/storage.k8s.io/v1/volumeattachments'
    const api = suite.kubeconfig.makeApiClient(StorageV1Api)
    const name = 'va-status'
    await api.createVolumeAttachment({
      body: {
        metadata: { name },
        spec: { attacher: 'e2e-attacher', nodeName: 'some-node', source: { persistentVolumeName: 'some-volume' } },
      },
    })
    const patched = await suite.ok('PATCH', `${root}/${name}/status`, {
      type: strategic,
      body: { metadata: { annotations: { patched: 'true' } }, status: { attached: true } },
    })
    assert.deepEqual([patched.metadata.annotations.patched, patched.status.attached], ['true', true])
    const updated = await suite.ok('PUT', `${root}/${name}/status`, { body: { ...patched, status: { attached: false } } })
    assert.equal(updated.status.attached, false)
    await suite.ok('DELETE', `${root}/${name}`)
    await suite.gone(`${root}/${name}`)
  })
})
