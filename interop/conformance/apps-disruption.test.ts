// Conformance tests of disruption budgets that count running pods, each named after its original.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CoreV1Api, PolicyV1Api } from '@kubernetes/client-node'
import { type Json, merge, startSuite, type Suite } from './cluster.ts'

let suite: Suite
let core: CoreV1Api
let policy: PolicyV1Api
before(async () => {
  suite = await startSuite({ nodes: 2 })
  core = suite.kubeconfig.makeApiClient(CoreV1Api)
  policy = suite.kubeconfig.makeApiClient(PolicyV1Api)
})
after(() => suite[Symbol.asyncDispose]())

const LABELS = { foo: 'bar' }
const pathOf = (namespace: string, name: string) => `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets/${name}`

async function budget(namespace: string, name: string, minAvailable: number): Promise<void> {
  await policy.createNamespacedPodDisruptionBudget({
    namespace,
    body: { metadata: { name }, spec: { selector: { matchLabels: LABELS }, minAvailable } },
  })
  await observed(namespace, name)
}
const observed = (namespace: string, name: string) =>
  suite.eventually('a budget that its controller has seen', async () => {
    const { metadata, status } = await suite.ok('GET', pathOf(namespace, name))
    return status?.observedGeneration >= metadata.generation && { metadata, status }
  })
async function pods(namespace: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await core.createNamespacedPod({
      namespace,
      body: {
        metadata: { name: `pod-${i}`, labels: LABELS },
        spec: { restartPolicy: 'Always', containers: [{ name: 'donothing', image: 'pause' }] },
      },
    })
}
const allowed = (namespace: string, name: string, check: (disruptionsAllowed: number) => boolean) =>
  suite.eventually('disruptions allowed', async () => check((await suite.ok('GET', pathOf(namespace, name))).status.disruptionsAllowed))

describe('disruption', { concurrency: 4 }, () => {
  test('[sig-apps] DisruptionController should observe PodDisruptionBudget status updated [Conformance]', async () => {
    const namespace = await suite.namespace()
    await budget(namespace, 'foo', 1)
    await pods(namespace, 3)
    await allowed(namespace, 'foo', (count) => count > 0)
  })

  test('[sig-apps] DisruptionController should block an eviction until the PDB is updated to allow it [Conformance]', async () => {
    const namespace = await suite.namespace()
    const name = 'foo'
    const ready = (count: number) =>
      suite.eventually('ready pods', async () => {
        const { items } = await core.listNamespacedPod({ namespace })
        return (
          items.filter(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')).length ===
          count
        )
      })
    const evict = (pod: string) =>
      suite.ask('POST', `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`, {
        body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } },
      })
    const refused = (answer: { code: number; body: Json }) => {
      assert.deepEqual(
        [answer.code, answer.body.reason, answer.body.details.causes[0].reason],
        [429, 'TooManyRequests', 'DisruptionBudget'],
      )
    }
    await budget(namespace, name, 3)
    await pods(namespace, 3)
    await ready(3)
    await suite.eventually('three healthy pods', async () => (await suite.ok('GET', pathOf(namespace, name))).status.currentHealthy === 3)
    refused(await evict('pod-0'))

    const current = await policy.readNamespacedPodDisruptionBudget({ namespace, name })
    current.spec!.minAvailable = 2
    await policy.replaceNamespacedPodDisruptionBudget({ namespace, name, body: current })
    await allowed(namespace, name, (count) => count > 0)
    assert.equal((await evict('pod-0')).code, 201)
    await suite.gone(`/api/v1/namespaces/${namespace}/pods/pod-0`)

    await suite.ok('PATCH', pathOf(namespace, name), { type: merge, body: { spec: { minAvailable: 3 } } })
    await observed(namespace, name)
    await allowed(namespace, name, (count) => count === 0)
    refused(await evict('pod-1'))
    await policy.deleteNamespacedPodDisruptionBudget({ namespace, name })
    await suite.gone(pathOf(namespace, name))
    await suite.eventually('an eviction', async () => (await evict('pod-1')).code === 201)
  })
})
