import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { Kind } from '#api/kind.ts'
import type { OwnerReference } from '#api/object.ts'
import { attributesOf } from '#server/attributes.ts'
import type { Registry } from '#server/registry.ts'
import type { AdmissionRequest } from '#server/request.ts'
import { startTestServer } from '#server/testing.ts'
import { ownerReferencesPermissionEnforcement } from './owner-references.ts'

const web = (more: object = {}): OwnerReference => ({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'w', ...more })
const blocking = { blockOwnerDeletion: true }
const DELETE = "cannot set an ownerRef on a resource you can't delete: , <nil>"
const FINALIZE = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>"
const UNKNOWN =
  'cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion x/v1 Kind Boat: no matches for kind "Boat" in version "x/v1"'

/** `rights`: as VERB RESOURCE/SUBRESOURCE NAMESPACE. Absent owners before: the object is new. */
const scenes: [title: string, owners: { before?: OwnerReference[]; after: OwnerReference[] }, rights: string[], refused?: string][] = [
  ['new objects may have owners', { after: [web()] }, []],
  ['only who may delete an object gives it an owner', { before: [], after: [web()] }, ['update configmaps/ x'], DELETE],
  ['who may delete an object gives it an owner', { before: [], after: [web()] }, ['delete configmaps/ x']],
  ['owners that stay are nobody’s business', { before: [web(blocking)], after: [web(blocking)] }, []],
  ['only who may set its finalizers holds an owner back', { after: [web(blocking)] }, ['update deployments/ x'], FINALIZE],
  ['in its namespace', { after: [web(blocking)] }, ['update deployments/finalizers y'], FINALIZE],
  ['who may set its finalizers holds an owner back', { after: [web(blocking)] }, ['update deployments/finalizers x']],
  [
    'who may set all finalizers is asked no more',
    { after: [web({ ...blocking, apiVersion: 'x/v1', kind: 'Boat' })] },
    ['update */finalizers '],
  ],
  ['owners of no known kind are not held back', { after: [web({ ...blocking, apiVersion: 'x/v1', kind: 'Boat' })] }, [], UNKNOWN],
  [
    'of owners in no namespace the finalizers are asked for there',
    { after: [web({ ...blocking, apiVersion: 'v1', kind: 'Node' })] },
    ['update nodes/finalizers '],
  ],
  [
    'who begins to hold back is asked',
    { before: [web({ blockOwnerDeletion: false })], after: [web(blocking)] },
    ['delete configmaps/ x'],
    FINALIZE,
  ],
  ['who held back before is not', { before: [web(blocking)], after: [web({ ...blocking, name: 'other' })] }, ['delete configmaps/ x']],
]

async function ask(
  rights: readonly string[],
  change: Partial<AdmissionRequest>,
  kind: Kind<any> = ConfigMap,
  subresource = '',
): Promise<void> {
  let registry: Registry
  await using _server = await startTestServer({
    extensions(context) {
      registry = context.registry
      return {}
    },
  })
  const plugin = ownerReferencesPermissionEnforcement(
    { registry: registry! },
    {
      authorize: ({ verb, resource, subresource: part, namespace }) => ({
        allowed: rights.includes(`${verb} ${resource}/${part} ${namespace}`),
        reason: '',
      }),
    },
  )
  const operation = change.oldObject ? 'UPDATE' : 'CREATE'
  const user = { username: 'anna', groups: [] }
  const attributes = attributesOf(kind, { user, verb: operation.toLowerCase(), namespace: 'x', name: 'c', subresource })
  await plugin.validate!({ attributes, operation, kind, dryRun: false, warn() {}, ...change })
}

for (const [title, { before, after }, rights, refused] of scenes) {
  test(`ownerReferencesPermissionEnforcement: ${title}`, async () => {
    const object = { metadata: { name: 'c', namespace: 'x', ownerReferences: after } }
    const change = before ? { object, oldObject: { metadata: { ...object.metadata, ownerReferences: before } } } : { object }
    if (refused) await assert.rejects(ask(rights, change), { reason: 'Forbidden', message: `configmaps "c" is forbidden: ${refused}` })
    else await ask(rights, change)
  })
}

test('ownerReferencesPermissionEnforcement leaves the status of pods alone', async () => {
  const object = { metadata: { name: 'c', namespace: 'x', ownerReferences: [web(blocking)] } }
  await ask([], { object, oldObject: { metadata: { name: 'c' } } }, Pod, 'status')
})
