import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { ReplicationController } from '#api/kinds/core/replication-controller.ts'
import { Service } from '#api/kinds/core/service.ts'
import type { Kind } from '#api/kind.ts'
import { formatLabelSelector } from '#api/label-selector.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import type { Informers } from '#client/informer.ts'
import { siblingSelector } from './siblings.ts'

const metadata = { name: 'web', namespace: 'default' }
const bySet = { spec: { selector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'Exists' }] } } }
const objects = new Map<Kind<any>, KubeObject[]>([
  [Service, [{ metadata, spec: { selector: { app: 'web' } } } as KubeObject]],
  [ReplicaSet, [{ metadata, ...bySet } as KubeObject]],
  [StatefulSet, [{ metadata, ...bySet } as KubeObject]],
  [ReplicationController, [{ metadata, spec: { selector: { tier: 'front' } } } as KubeObject]],
])

const informers = {
  of: (kind: Kind<any>) => ({
    list: (namespace: string) => objects.get(kind)!.filter((one) => one.metadata!.namespace === namespace),
    get: ({ namespace, name }: ObjectKey) =>
      objects.get(kind)!.find((one) => one.metadata!.namespace === namespace && one.metadata!.name === name),
  }),
} as unknown as Informers

const siblings = (labels: Record<string, string>, apiVersion: string, kind: string): string => {
  const ownerReferences = [{ apiVersion, kind, name: 'web', uid: 'u', controller: true }]
  const selector = siblingSelector(informers)({ metadata: { name: 'p', namespace: 'default', labels, ownerReferences } })
  return selector ? formatLabelSelector(selector) : ''
}

test('a pod belongs with those its service and its workload select', () => {
  assert.equal(siblings({ app: 'web' }, 'apps/v1', 'ReplicaSet'), 'app=web,app=web,tier')
  assert.equal(siblings({ app: 'other' }, 'apps/v1', 'StatefulSet'), 'app=web,tier')
  assert.equal(siblings({ app: 'other' }, 'v1', 'ReplicationController'), 'tier=front')
})

test('a workload of another group that is called like one of ours is another', () => {
  for (const [apiVersion, kind] of [
    ['example.com/v1', 'ReplicaSet'],
    ['extensions/v1beta1', 'ReplicaSet'],
    ['example.com/v1', 'StatefulSet'],
    ['apps/v1', 'ReplicationController'],
    ['apps/v1', 'constructor'],
  ] as const)
    assert.equal(siblings({ app: 'other' }, apiVersion, kind), '', `${apiVersion} ${kind}`)
  assert.equal(siblings({ app: 'web' }, 'example.com/v1', 'ReplicaSet'), 'app=web')
})
