import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import { FlowSchema } from '#api/kinds/flowcontrol/flow-schema.ts'
import { PriorityLevelConfiguration } from '#api/kinds/flowcontrol/priority-level-configuration.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { attributesOf } from '#server/attributes.ts'
import { configMap, IN_DEFAULT, startRequests } from '#server/engine/requests.ts'
import type { ServerExtensions } from '#server/request.ts'
import { boundsOf, share } from './concurrency.ts'
import { deal, FairQueues, type Running } from './fair-queues.ts'
import { FlowSchemas } from './flow-schemas.ts'

const gates = new Map<string, PromiseWithResolvers<void>>()
/** Users by name in the header; a write of `wait-NAME` hangs in admission until released. */
const extensions: ServerExtensions = {
  authenticators: [
    {
      async authenticate({ headers }) {
        const [username = '', ...groups] = String(headers.authorization ?? '').split(' ')
        return { username, groups }
      },
    },
  ],
  admission: [
    {
      name: 'Gate',
      async admit({ object }) {
        const gate = gates.get(object?.metadata?.name ?? '')
        if (gate) await gate.promise
      },
    },
  ],
}
const hold = (name: string) => {
  const gate = Promise.withResolvers<void>()
  gates.set(name, gate)
  return gate
}
const queueLevel = (name: string, queueLengthLimit = 1): PriorityLevelConfiguration => ({
  metadata: { name },
  spec: {
    type: 'Limited',
    limited: {
      nominalConcurrencyShares: 5,
      limitResponse: { type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit } },
    },
  },
})
const schemaFor = (name: string, level: string, users: string[]): FlowSchema => ({
  metadata: { name },
  spec: {
    priorityLevelConfiguration: { name: level },
    matchingPrecedence: 50,
    distinguisherMethod: { type: 'ByUser' },
    rules: [
      {
        subjects: users.map((user) => ({ kind: 'User', user: { name: user } })),
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
      },
    ],
  },
})
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

test('a level that queues serves one, lets one wait, and turns the third away with upstream’s answer', async () => {
  const clock = createVirtualClock()
  await using server = await startRequests({ extensions: () => extensions, seats: 2, clock })
  const level = await server.client.create(PriorityLevelConfiguration, queueLevel('narrow'))
  const schema = await server.client.create(FlowSchema, schemaFor('narrow', 'narrow', ['eve']))
  await settled()
  const gate = hold('wait-1')
  const post = (name: string, user: string) => server.send('POST', `${IN_DEFAULT}/configmaps`, configMap(name), { authorization: user })
  const first = post('wait-1', 'eve')
  await settled()
  const second = post('b', 'eve')
  await settled()
  const third = await post('c', 'eve')
  assert.deepEqual([third.status, third.text, third.headers['retry-after']], [429, 'Too many requests, please try again later.\n', '1'])
  assert.equal(third.headers['x-kubernetes-pf-flowschema-uid'], schema.metadata?.uid)
  assert.equal(third.headers['x-kubernetes-pf-prioritylevel-uid'], level.metadata?.uid)
  assert.equal((await post('d', 'root system:masters')).status, 201)
  const dump = await server.send('GET', '/debug/api_priority_and_fairness/dump_requests', undefined, {
    authorization: 'root system:masters',
  })
  assert.match(dump.text, /^narrow, +narrow, +0, +0, +eve, +[^ ]+, +1, +0, +0s, +0001-01-01T00:00:00Z$/m)
  // What runs is told too, in no place of its queue; what is exempt, in no queue.
  assert.match(dump.text, /^narrow, +narrow, +0, +-1, +eve, +([^ ,]+), +1, +0, +0s, +\1$/m)
  assert.match(dump.text, /^exempt, +exempt, +-1, +-1, +, /m)
  const detailed = await server.send('GET', '/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1', undefined, {
    authorization: 'root system:masters',
  })
  assert.match(
    detailed.text.split('\n')[0]!,
    / StartTime, +UserName, +Verb, +APIPath, +Namespace, +Name, +APIVersion, +Resource, +SubResource$/,
  )
  assert.match(detailed.text, / eve, +create, +\/api\/v1\/namespaces\/default\/configmaps, +default, +, +v1, +configmaps, +$/m)
  await clock.advance(3000)
  gate.resolve()
  assert.deepEqual([(await first).status, (await second).status], [201, 201])
  const { text } = await server.send('GET', '/metrics', undefined, { authorization: 'root system:masters' })
  const line = (name: string) => text.split('\n').find((one) => one.startsWith(`apiserver_flowcontrol_${name}`) && one.includes('narrow'))
  assert.match(line('rejected_requests_total')!, /\{priority_level="narrow",flow_schema="narrow",reason="queue-full"\} 1$/)
  assert.match(line('dispatched_requests_total')!, / 2$/)
  const labels = 'priority_level="narrow",flow_schema="narrow"'
  const told = (name: string, more: string) =>
    ['_bucket{…,le="0"}', '_bucket{…,le="2"}', '_bucket{…,le="5"}', '_bucket{…,le="+Inf"}', '_sum{…}', '_count{…}'].map((suffix) => {
      const start = `apiserver_flowcontrol_${name}${suffix.replace('…', `${labels},${more}`)} `
      return text
        .split('\n')
        .find((one) => one.startsWith(start))
        ?.slice(start.length)
    })
  // The first ran for three seconds, the second waited for it and was done at once.
  assert.deepEqual(told('request_wait_duration_seconds', 'execute="true"'), ['1', '1', '2', '2', '3', '2'])
  assert.deepEqual(told('request_execution_seconds', 'type="regular"'), ['1', '1', '2', '2', '3', '2'])
  const levels = await server.send('GET', '/debug/api_priority_and_fairness/dump_priority_levels', undefined, {
    authorization: 'root system:masters',
  })
  assert.match(levels.text, /^narrow, +0, +true, +false, +0, +0, +2, +1, +0, +0$/m)
})

test('who waits too long is told to come again', async () => {
  const clock = createVirtualClock()
  await using server = await startRequests({ extensions: () => extensions, seats: 2, clock })
  await server.client.create(PriorityLevelConfiguration, queueLevel('narrow'))
  await server.client.create(FlowSchema, schemaFor('narrow', 'narrow', ['eve']))
  await settled()
  const gate = hold('wait-2')
  const first = server.send('POST', `${IN_DEFAULT}/configmaps`, configMap('wait-2'), { authorization: 'eve' })
  await settled()
  const second = server.send('GET', `${IN_DEFAULT}/configmaps`, undefined, { authorization: 'eve' })
  await settled()
  await clock.advance(15_000)
  assert.equal((await second).status, 429)
  gate.resolve()
  await first
  const { text } = await server.send('GET', '/metrics', undefined, { authorization: 'root system:masters' })
  const waited = 'apiserver_flowcontrol_request_wait_duration_seconds_sum{priority_level="narrow",flow_schema="narrow",execute='
  assert.deepEqual(
    ['"true"} 0', '"false"} 15'].map((rest) => text.includes(`\n${waited}${rest}\n`)),
    [true, true],
  )
})

test('the condition Dangling follows the priority level', async () => {
  await using server = await startRequests({})
  await server.client.create(FlowSchema, schemaFor('lost', 'nowhere', ['eve']))
  const stop = new AbortController()
  const seen: string[] = []
  for await (const { object } of server.client.watch(FlowSchema, { fieldSelector: 'metadata.name=lost', signal: stop.signal })) {
    const { status, reason, message } = (object as FlowSchema).status?.conditions?.[0] ?? {}
    if (!status || seen.at(-1) === status) continue
    seen.push(status)
    if (status === 'True') {
      assert.equal(reason, 'NotFound')
      assert.equal(message, 'This FlowSchema references the PriorityLevelConfiguration object named "nowhere" but there is no such object')
      await server.client.create(PriorityLevelConfiguration, queueLevel('nowhere'))
    } else break
  }
  assert.deepEqual(seen, ['True', 'False'])
})

const about = (over: object = {}) => ({
  ...attributesOf(Pod, { user: { username: '', groups: [] }, verb: 'get', namespace: 'default' }),
  rest: '',
  ...over,
})
const ROWS: [string, object, object, object, boolean][] = [
  ['a user', { kind: 'User', user: { name: 'dave' } }, {}, {}, true],
  ['a group', { kind: 'Group', group: { name: 'crew' } }, {}, {}, true],
  ['all accounts of a namespace', { kind: 'ServiceAccount', serviceAccount: { namespace: 'x', name: '*' } }, {}, {}, false],
  ['another verb', { kind: 'User', user: { name: '*' } }, { verbs: ['list'] }, {}, false],
  ['another group', { kind: 'User', user: { name: '*' } }, { apiGroups: ['apps'] }, {}, false],
  ['a resource without its subresource', { kind: 'User', user: { name: '*' } }, { resources: ['pods'] }, { subresource: 'log' }, false],
  ['a subresource', { kind: 'User', user: { name: '*' } }, { resources: ['pods/log'] }, { subresource: 'log' }, true],
  ['another namespace', { kind: 'User', user: { name: '*' } }, { namespaces: ['x'] }, {}, false],
  ['cluster scope', { kind: 'User', user: { name: '*' } }, { clusterScope: true }, { namespace: '' }, true],
  ['cluster scope not asked for', { kind: 'User', user: { name: '*' } }, {}, { namespace: '' }, false],
]
for (const [what, subject, rule, over, matches] of ROWS)
  test(`FlowSchemas matches ${what}: ${matches}`, () => {
    const resourceRules = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], ...rule }]
    const schema = {
      metadata: { name: 's' },
      spec: { priorityLevelConfiguration: { name: 'l' }, rules: [{ subjects: [subject], resourceRules }] },
    }
    const schemas = new FlowSchemas([schema as FlowSchema], { flowOf: () => 'found', last: 'last' })
    for (const _again of [1, 2])
      assert.equal(schemas.match({ username: 'dave', groups: ['crew'] }, about(over)), matches ? 'found' : 'last')
  })

test('FlowSchemas asks in order of precedence, then of name', () => {
  const row = (name: string, matchingPrecedence: number): FlowSchema => ({
    ...schemaFor(name, 'l', ['*']),
    spec: { ...schemaFor(name, 'l', ['*']).spec!, matchingPrecedence },
  })
  const schemas = new FlowSchemas([row('c', 9), row('b', 5), row('a', 5)], { flowOf: ({ metadata }) => metadata!.name!, last: '' })
  assert.equal(schemas.match({ username: 'x', groups: [] }, about()), 'a')
})

test('FairQueues gives a quiet flow its turn beside one that floods', async () => {
  const clock = createVirtualClock()
  const queues = new FairQueues({ clock, waitLimitMs: 60_000, queuing: { queues: 64, handSize: 1, queueLengthLimit: 100 } })
  queues.limit = 1
  const order: string[] = []
  const running: Running[] = []
  const ask = (distinguisher: string) => {
    const outcome = queues.admit({ flowSchema: 's', distinguisher, seats: 1 })
    void Promise.resolve(outcome).then((admitted) => {
      if (typeof admitted === 'string') return
      order.push(distinguisher)
      running.push(admitted)
    })
  }
  for (let i = 0; i < 10; i++) ask('flood')
  for (let i = 0; i < 3; i++) ask('quiet')
  for (let i = 0; i < 13; i++) {
    await settled()
    await clock.advance(10)
    running.shift()!.finish()
  }
  assert.equal(order.length, 13)
  assert.ok(order.lastIndexOf('quiet') <= 7, order.join(' '))
  assert.deepEqual([queues.seatsInUse, queues.executing, queues.waiting], [0, 0, 0])
})

test('FairQueues lets a request larger than its level run alone, and drops one whose client left', async () => {
  const clock = createVirtualClock()
  const queues = new FairQueues({ clock, waitLimitMs: 60_000, queuing: { queues: 1, handSize: 1, queueLengthLimit: 5 } })
  queues.limit = 2
  const large = queues.admit({ flowSchema: 's', distinguisher: '', seats: 5 }) as Running
  const left = new AbortController()
  const waiting = queues.admit({ flowSchema: 's', distinguisher: '', seats: 1, signal: left.signal })
  left.abort()
  assert.equal(await waiting, 'cancelled')
  large.finish(3, 5)
  assert.equal(queues.seatsInUse, 3)
  await clock.advance(5)
  assert.equal(queues.seatsInUse, 0)
})

test('deal gives each flow the same hand of different queues', () => {
  for (let flow = 0; flow < 200; flow++) {
    const hand = deal(`s,user-${flow}`, { queues: 16, handSize: 4 })
    assert.deepEqual(hand, deal(`s,user-${flow}`, { queues: 16, handSize: 4 }))
    assert.equal(new Set(hand).size, 4)
    assert.ok(hand.every((card) => card >= 0 && card < 16))
  }
})

test('share and boundsOf give what upstream’s defaults give of 600 seats', () => {
  const limited = (nominalConcurrencyShares: number, lendablePercent: number) => ({
    type: 'Limited',
    limited: { nominalConcurrencyShares, lendablePercent },
  })
  const all = { seats: 600, allShares: 245 }
  assert.deepEqual(boundsOf(limited(30, 33), all), { nominal: 74, least: 50, most: 600 })
  assert.deepEqual(boundsOf(limited(100, 90), all), { nominal: 245, least: 24, most: 600 })
  assert.deepEqual(boundsOf({ type: 'Limited', limited: { ...limited(10, 0).limited, borrowingLimitPercent: 50 } }, all).most, 38)
  const claims = [
    { least: 10, most: 100, target: 80 },
    { least: 10, most: 20, target: 80 },
    { least: 10, most: 100, target: 1 },
  ]
  assert.deepEqual(share(claims, 100).seats, [70, 20, 10])
})
