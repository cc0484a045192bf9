// For tests: a custom resource with a scale subresource, and pods that count as its own.
import { customKind } from '#api/custom/custom-kind.ts'
import { customDefinition } from '#api/custom/testing.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { HorizontalPodAutoscalerV2 } from '#api/kinds/autoscaling/horizontal-pod-autoscaler-v2.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { Client } from '#client/client.ts'

const OPEN = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }

const DEFINITION = customDefinition('Fleet', {
  schema: { type: 'object', properties: { spec: OPEN, status: OPEN } },
  version: {
    subresources: {
      status: {},
      scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
    },
  },
})

export const Fleet = customKind(DEFINITION, DEFINITION.spec.versions[0]!)

export async function createDefinition(client: Client): Promise<void> {
  await client.create(CustomResourceDefinition, DEFINITION)
}

/** Throws as long as the definition is not served. */
export async function createFleet(client: Client, name: string, options: { replicas: number; selector?: string }): Promise<void> {
  const { replicas, selector = `app=${name}` } = options
  const created = await client.create(Fleet, {
    apiVersion: 'example.com/v1',
    kind: 'Fleet',
    metadata: { namespace: 'default', name },
    spec: { replicas },
  })
  await client.update(Fleet, { ...created, status: { replicas, selector } }, { subresource: 'status' })
}

export async function createReadyPod(client: Client, name: string, app: string): Promise<void> {
  const pod = await client.create<Pod>(Pod, {
    metadata: { namespace: 'default', name, labels: { app } },
    spec: { containers: [{ name: 'main', image: 'app:1' }] },
  })
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: pod.metadata!.creationTimestamp! }]
  const status = { phase: 'Running', startTime: pod.metadata!.creationTimestamp!, conditions }
  await client.patch(Pod, { namespace: 'default', name }, { type: 'merge', patch: { status } }, { subresource: 'status' })
}

export async function autoscaleFleet(
  client: Client,
  name: string,
  spec: Partial<HorizontalPodAutoscalerV2['spec']> & { fleet?: string } = {},
): Promise<void> {
  const { fleet = name, ...rest } = spec
  const scaleTargetRef = { apiVersion: 'example.com/v1', kind: 'Fleet', name: fleet }
  await client.create<HorizontalPodAutoscalerV2>(HorizontalPodAutoscalerV2, {
    metadata: { namespace: 'default', name },
    spec: { scaleTargetRef, minReplicas: 1, maxReplicas: 10, ...rest },
  })
}

/** `TYPE STATUS REASON: MESSAGE` of every condition. */
export async function conditionsOf(client: Client, name: string): Promise<string[]> {
  const { status } = await client.get(HorizontalPodAutoscalerV2, { namespace: 'default', name })
  return (status?.conditions ?? []).map((one) => `${one.type} ${one.status} ${one.reason}: ${one.message}`)
}
