import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SelfSubjectRulesReview } from '#api/kinds/authorization/self-subject-rules-review.ts'
import { LocalSubjectAccessReview } from '#api/kinds/authorization/local-subject-access-review.ts'
import { SubjectAccessReview } from '#api/kinds/authorization/subject-access-review.ts'
import type { ResourceAttributes } from '#api/generated/types.ts'
import type { Authorizer, RequestAttributes } from '#server/request.ts'
import { startTestServer } from '#server/testing.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { accessReviews } from './access-reviews.ts'
import { authenticationReviews } from './authentication-reviews.ts'
import { firstOpinion } from './authorizers.ts'

async function serverWith(authorizer: Authorizer) {
  return startTestServer({ extensions: () => ({ subresources: accessReviews(authorizer) }) })
}

function listening(): Authorizer & { asked: RequestAttributes[] } {
  const asked: RequestAttributes[] = []
  return {
    asked,
    authorize(attributes) {
      asked.push(attributes)
      return { allowed: true, reason: 'told so' }
    },
  }
}

const review = (resourceAttributes: ResourceAttributes): SubjectAccessReview => ({
  apiVersion: 'authorization.k8s.io/v1',
  kind: 'SubjectAccessReview',
  spec: { user: 'anna', resourceAttributes },
})

const SELECTORS: [ResourceAttributes, asked: Partial<RequestAttributes>, error: string | undefined][] = [
  [{ fieldSelector: { rawSelector: 'spec.nodeName=n1' } }, { fieldSelector: 'spec.nodeName=n1' }, undefined],
  [
    {
      fieldSelector: {
        requirements: [
          { key: 'a', operator: 'In', values: ['x,y'] },
          { key: 'b', operator: 'Exists' },
        ],
      },
    },
    { fieldSelector: 'a=x\\,y' },
    'spec.resourceAttributes.fieldSelector partially ignored due to parse error',
  ],
  [
    { labelSelector: { requirements: [{ key: 'a', operator: 'NotIn', values: ['x', 'y'] }] } },
    { labelSelector: 'a notin (x,y)' },
    undefined,
  ],
  [
    { labelSelector: { requirements: [{ key: 'a', operator: 'Near', values: ['x'] }] } },
    {},
    'spec.resourceAttributes.labelSelector ignored due to parse error',
  ],
  [{ labelSelector: { rawSelector: '==' } }, {}, 'spec.resourceAttributes.labelSelector ignored due to parse error'],
]

test('accessReviews ask with the selectors they understand, and tell of the others', async () => {
  for (const [attributes, asked, evaluationError] of SELECTORS) {
    const authorizer = listening()
    await using server = await serverWith(authorizer)
    const { status } = await server.client.create(SubjectAccessReview, review({ verb: 'list', resource: 'pods', ...attributes }))
    assert.deepEqual(status, { allowed: true, reason: 'told so', ...(evaluationError ? { evaluationError } : {}) })
    const { fieldSelector, labelSelector } = authorizer.asked[0]!
    assert.deepEqual({ ...(fieldSelector ? { fieldSelector } : {}), ...(labelSelector ? { labelSelector } : {}) }, asked)
    assert.equal(authorizer.asked[0]!.version, '*')
  }
})

test('accessReviews refuse a selector given twice', async () => {
  await using server = await serverWith(listening())
  const fieldSelector = { rawSelector: 'a=b', requirements: [{ key: 'a', operator: 'In', values: ['b'] }] }
  await assert.rejects(server.client.create(SubjectAccessReview, review({ verb: 'list', resource: 'pods', fieldSelector })), {
    code: 422,
    message:
      /spec\.resourceAttributes\.fieldSelector\.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements/,
  })
})

test('LocalSubjectAccessReview is about its own namespace', async () => {
  await using server = await serverWith(listening())
  const spec = { user: 'anna', resourceAttributes: { namespace: 'y', verb: 'get', resource: 'pods' } }
  const local: LocalSubjectAccessReview = { apiVersion: 'authorization.k8s.io/v1', kind: 'LocalSubjectAccessReview', spec }
  await assert.rejects(server.client.create(LocalSubjectAccessReview, local, { namespace: 'x' }), {
    code: 422,
    message: /spec\.resourceAttributes\.namespace: Invalid value: "y": must match metadata\.namespace/,
  })
})

test('SelfSubjectRulesReview tells what could not be listed', async () => {
  const nothing = { resourceRules: [], nonResourceRules: [] }
  const silent = () => ({ allowed: false, reason: '' })
  await using server = await serverWith(
    firstOpinion([
      { authorize: silent, rulesFor: () => ({ ...nothing, incomplete: true, error: 'a does not list' }) },
      { authorize: silent, rulesFor: () => ({ ...nothing, incomplete: true, error: 'b does not list' }) },
    ]),
  )
  const answer: SelfSubjectRulesReview = await server.client.create<SelfSubjectRulesReview, SelfSubjectRulesReview>(
    SelfSubjectRulesReview,
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectRulesReview',
      spec: { namespace: 'x' },
    },
  )
  assert.deepEqual(answer.status, { ...nothing, incomplete: true, evaluationError: '[a does not list, b does not list]' })
})

test('firstOpinion waits for who must ask elsewhere, and an error that nobody overrules fails the request', async () => {
  const later: Authorizer = { authorize: async () => ({ allowed: false, reason: '', error: 'unreachable' }) }
  const authorizer = firstOpinion([later, { authorize: ({ verb }) => ({ allowed: verb === 'get', reason: 'no' }) }])
  const asked = { user: { username: 'a', groups: [] }, path: '', isResourceRequest: true } as unknown as RequestAttributes
  assert.deepEqual(await authorizer.authorize({ ...asked, verb: 'get' }), { allowed: true, reason: 'no' })
  assert.deepEqual(await authorizer.authorize({ ...asked, verb: 'list' }), { allowed: false, reason: 'no', error: 'unreachable' })
})

test('reviews by HTTP tell who asked what; those about oneself repeat nothing', async () => {
  const knowledge = { authenticators: () => [], audiences: [] }
  const clock = createVirtualClock(Date.UTC(2026, 0, 2))
  await using server = await startTestServer({
    clock,
    extensions: () => ({ subresources: [...accessReviews(listening()), ...authenticationReviews(knowledge, clock)] }),
  })
  const ask = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json', 'user-agent': 'kubectl/v1.33' }
    return (await server.server.handle({ method: 'POST', path: `/apis/${path}`, headers, body: JSON.stringify(body) })).json
  }
  const spec = { resourceAttributes: { namespace: 'default', verb: 'get', resource: 'pods' } }
  const access = await ask('authorization.k8s.io/v1/selfsubjectaccessreviews', { spec, status: { allowed: false } })
  assert.deepEqual(access.metadata, {
    managedFields: [
      {
        manager: 'kubectl',
        operation: 'Update',
        apiVersion: 'authorization.k8s.io/v1',
        time: '2026-01-02T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:spec': { 'f:resourceAttributes': { '.': {}, 'f:namespace': {}, 'f:resource': {}, 'f:verb': {} } } },
      },
    ],
  })
  const rules = await ask('authorization.k8s.io/v1/selfsubjectrulesreviews', { metadata: { labels: { a: 'b' } }, spec: { namespace: 'x' } })
  assert.deepEqual([rules.metadata, rules.spec], [{}, {}])
  const self = await ask('authentication.k8s.io/v1/selfsubjectreviews', { metadata: { labels: { a: 'b' } } })
  assert.deepEqual(self.metadata, { creationTimestamp: '2026-01-02T00:00:00Z' })
})
