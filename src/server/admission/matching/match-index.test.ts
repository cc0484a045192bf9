import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Node } from '#api/kinds/core/node.ts'
import type { Kind } from '#api/kind.ts'
import { hasReason } from '#api/status.ts'
import { MemoryReader } from '#server/access/memory-reader.ts'
import { attributesOf } from '#server/attributes.ts'
import type { AdmissionRequest } from '#server/request.ts'
import { startTestServer } from '#server/testing.ts'
import { equivalentKinds, replaceObject, viewAs } from './equivalents.ts'
import { exemptFromPolicies, exemptFromWebhooks } from './exempt.ts'
import { type MatchCriteria, MatchIndex } from './match-index.ts'

async function fixture() {
  const test = await startTestServer()
  const { registry } = test.server
  const reader = new MemoryReader()
  reader.put(
    Namespace,
    { metadata: { name: 'blue', labels: { colour: 'blue' } } },
    { metadata: { name: 'red', labels: { colour: 'red' } } },
  )
  return {
    registry,
    find: (group: string, version: string, plural: string) => registry.find(group, version, plural)!.kind,
    match: (criteria: MatchCriteria, request: AdmissionRequest) =>
      new MatchIndex([criteria], (one) => one, { registry, reader }).match(request)[0]?.kind,
    [Symbol.asyncDispose]: () => test[Symbol.asyncDispose](),
  }
}

interface About extends Partial<AdmissionRequest> {
  subresource?: string
  namespace?: string
  name?: string
}

function asked(
  kind: Kind<any>,
  { subresource = '', namespace = kind.scope === 'Namespaced' ? 'blue' : '', name = 'x', ...more }: About = {},
) {
  const { group, version } = kind
  const attributes = attributesOf(kind, { user: { username: 'anna', groups: [] }, verb: 'create', subresource, namespace, name })
  const object = { apiVersion: group ? `${group}/${version}` : version, kind: kind.kind, metadata: { name, labels: { app: 'x' } } }
  const request: AdmissionRequest = { attributes, operation: 'CREATE', kind, object, dryRun: false, warn: () => {}, ...more }
  return request
}

const rule = (more: object = {}) => ({ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], ...more })

test('MatchIndex asks operation, group, version, resource, subresource, scope and name', async () => {
  await using f = await fixture()
  const cases: [object, AdmissionRequest, boolean][] = [
    [{}, asked(Pod), true],
    [{ operations: ['UPDATE'] }, asked(Pod), false],
    [{ operations: ['*'] }, asked(Pod, { operation: 'CONNECT' }), true],
    [{ apiGroups: ['apps'] }, asked(Pod), false],
    [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }, asked(Pod), true],
    [{ resources: ['*'] }, asked(Pod, { subresource: 'status' }), false],
    [{ resources: ['*/*'] }, asked(Pod, { subresource: 'status' }), true],
    [{ resources: ['pods/*'] }, asked(Pod, { subresource: 'status' }), true],
    [{ resources: ['pods/*'] }, asked(Pod), true],
    [{ resources: ['*/status'] }, asked(Pod, { subresource: 'status' }), true],
    [{ resources: ['*/scale'] }, asked(Pod, { subresource: 'status' }), false],
    [{ scope: 'Cluster' }, asked(Pod), false],
    [{ scope: 'Namespaced' }, asked(Pod), true],
    [{ scope: 'Cluster', resources: ['namespaces'] }, asked(Namespace, { namespace: 'x' }), true],
    [{ resourceNames: ['x'] }, asked(Pod), true],
    [{ resourceNames: ['y'] }, asked(Pod), false],
  ]
  for (const [more, request, expected] of cases)
    assert.equal(f.match({ resourceRules: [rule(more)] }, request) !== undefined, expected, JSON.stringify(more))
})

test('MatchIndex leaves out what a rule excludes, and wants everything or nothing where there are no rules', async () => {
  await using f = await fixture()
  assert.equal(f.match({ resourceRules: [rule()], excludeResourceRules: [rule()] }, asked(Pod)), undefined)
  assert.equal(f.match({ resourceRules: [rule()], excludeResourceRules: [rule({ resourceNames: ['y'] })] }, asked(Pod)), Pod)
  assert.equal(f.match({ resourceRules: [rule()], excludeResourceRules: [rule({ resourceNames: ['x'] })] }, asked(Pod)), undefined)
  assert.equal(f.match({}, asked(Pod)), undefined)
  assert.equal(f.match({ everything: true }, asked(Pod)), Pod)
})

test('MatchIndex selects by labels of the namespace and of the object, new or old', async () => {
  await using f = await fixture()
  const by = (more: MatchCriteria) => ({
    resourceRules: [rule({ resources: ['pods', 'nodes', 'namespaces'], operations: ['*'] })],
    ...more,
  })
  const red = { matchLabels: { colour: 'red' } }
  const cases: [MatchCriteria, AdmissionRequest, boolean][] = [
    [{ namespaceSelector: red }, asked(Pod), false],
    [{ namespaceSelector: red }, asked(Pod, { namespace: 'red' }), true],
    [{ namespaceSelector: red }, asked(Node), true],
    [{ namespaceSelector: red }, asked(Namespace, { object: { metadata: { name: 'x', labels: { colour: 'red' } } } }), true],
    [{ namespaceSelector: red }, asked(Namespace, { object: { metadata: { name: 'x' } } }), false],
    [{ objectSelector: { matchLabels: { app: 'x' } } }, asked(Pod), true],
    [{ objectSelector: { matchLabels: { app: 'y' } } }, asked(Pod), false],
    [{ objectSelector: { matchLabels: { app: 'y' } } }, asked(Pod, { oldObject: { metadata: { labels: { app: 'y' } } } }), true],
    [{ objectSelector: {} }, asked(Pod), true],
  ]
  for (const [criteria, request, expected] of cases)
    assert.equal(f.match(by(criteria), request) !== undefined, expected, JSON.stringify(criteria))
  const lost = asked(Pod, { namespace: 'gone' })
  assert.throws(
    () => f.match(by({ namespaceSelector: red }), lost),
    (error) => hasReason(error, 'NotFound'),
  )
  assert.equal(f.match({ resourceRules: [rule({ resources: ['secrets'] })], namespaceSelector: red }, lost), undefined)
})

test('MatchIndex finds a rule for another version of the same objects, unless it must be exact', async () => {
  await using f = await fixture()
  const core = f.find('', 'v1', 'events')
  const events = f.find('events.k8s.io', 'v1', 'events')
  const criteria = { resourceRules: [rule({ apiGroups: ['events.k8s.io'], resources: ['events'] })] }
  assert.equal(f.match(criteria, asked(core)), events)
  assert.equal(f.match({ ...criteria, matchPolicy: 'Exact' }, asked(core)), undefined)
  const both = { resourceRules: [...criteria.resourceRules, rule({ resources: ['events'] })] }
  assert.equal(f.match(both, asked(core)), core, 'what was asked for comes first')
  const [v1, v2] = [f.find('autoscaling', 'v1', 'horizontalpodautoscalers'), f.find('autoscaling', 'v2', 'horizontalpodautoscalers')]
  assert.deepEqual(equivalentKinds(f.registry, v1), [v1, v2])
})

test('viewAs and replaceObject carry an object over to another version and back', async () => {
  await using f = await fixture()
  const [v1, v2] = [f.find('autoscaling', 'v1', 'horizontalpodautoscalers'), f.find('autoscaling', 'v2', 'horizontalpodautoscalers')]
  const object = {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'x' },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'x' }, maxReplicas: 3, targetCPUUtilizationPercentage: 70 },
  }
  const request = asked(v1, { object })
  const seen: any = viewAs(request, v2).object
  assert.equal(seen.apiVersion, 'autoscaling/v2')
  assert.equal(seen.spec.metrics[0].resource.target.averageUtilization, 70)
  replaceObject(request, { ...seen, spec: { ...seen.spec, maxReplicas: 4 } }, { kind: v2 })
  assert.equal(request.object, object, 'the object keeps its identity')
  assert.deepEqual([object.apiVersion, object.spec.maxReplicas, object.spec.targetCPUUtilizationPercentage], ['autoscaling/v1', 4, 70])
})

test('nothing configured stands between a user and the configuration', () => {
  const about = (group: string, resource: string) => ({ attributes: { group, resource } }) as AdmissionRequest
  const cases: [string, string, { webhooks: boolean; policies: boolean }][] = [
    ['admissionregistration.k8s.io', 'validatingadmissionpolicies', { webhooks: true, policies: true }],
    ['admissionregistration.k8s.io', 'mutatingadmissionpolicybindings', { webhooks: true, policies: true }],
    ['admissionregistration.k8s.io', 'mutatingwebhookconfigurations', { webhooks: true, policies: false }],
    ['authorization.k8s.io', 'subjectaccessreviews', { webhooks: false, policies: true }],
    ['authentication.k8s.io', 'tokenreviews', { webhooks: false, policies: true }],
    ['', 'pods', { webhooks: false, policies: false }],
  ]
  for (const [group, resource, expected] of cases) {
    const request = about(group, resource)
    assert.deepEqual({ webhooks: exemptFromWebhooks(request), policies: exemptFromPolicies(request) }, expected, resource)
  }
})
