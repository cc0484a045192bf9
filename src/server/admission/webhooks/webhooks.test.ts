import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { alwaysAllow } from '#server/access/authorizers.ts'
import { Auditor } from '#server/audit/auditor.ts'
import { AuditPolicy } from '#server/audit/policy.ts'
import { configMap, deployment, IN_DEFAULT, pod, startRequests } from '#server/engine/requests.ts'
import { formatMetrics } from '#lib/metric-family.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import type { Authorizer } from '#server/request.ts'
import type { ReceivedCall, Stranger } from '#server/outgoing/testing.ts'
import { startStranger } from '#server/outgoing/testing.ts'
import { mutatingWebhooks } from './mutating-webhooks.ts'
import { validatingWebhooks } from './validating-webhooks.ts'
import { WebhookMetrics } from './webhook-metrics.ts'

const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1'

type Reviewed = Record<string, any>

/** A cluster with a stranger whose answers are told by path. */
async function fixture({ auditor, clock, authorizer = alwaysAllow }: { auditor?: Auditor; clock?: Clock; authorizer?: Authorizer } = {}) {
  const metrics = new WebhookMetrics()
  const answers = new Map<string, (request: Reviewed, call: ReceivedCall) => unknown>()
  const stranger = await startStranger((call, response) => {
    const { request } = JSON.parse(call.body)
    const answer = answers.get(call.path.split('?')[0]!)?.(request, call)
    if (answer === undefined) return void response.writeHead(500).end('nobody')
    if (typeof answer !== 'object' || Buffer.isBuffer(answer)) return answer
    const { apiVersion } = JSON.parse(call.body)
    return 'response' in answer!
      ? answer
      : { apiVersion, kind: 'AdmissionReview', response: { uid: request.uid, allowed: true, ...answer } }
  })
  const test = await startRequests({
    ...(auditor ? { auditor } : {}),
    ...(clock ? { clock } : {}),
    extensions: (context) => ({
      // Answers with what it was asked for.
      subresources: [
        {
          kind: Pod,
          subresource: 'exec',
          connect: async ({ query }, exchange) => exchange.send(200, {}, JSON.stringify(query.getAll('command'))),
        },
      ],
      admission: [mutatingWebhooks({ ...context, metrics }, authorizer), validatingWebhooks({ ...context, metrics }, authorizer)],
    }),
  })
  const send = async (method: string, path: string, body?: unknown) => {
    const answer = await test.send(method, path, body)
    return { status: answer.status, body: JSON.parse(String(answer.body)), warnings: answer.headers['warning'] as string[] | undefined }
  }
  const configure = async (kind: 'Mutating' | 'Validating', name: string, webhooks: object[]) => {
    const plural = `${kind.toLowerCase()}webhookconfigurations`
    await test.send('DELETE', `${CONFIGURATIONS}/${plural}/${name}`)
    const all = webhooks.map((one, index) => hook(stranger, `${name}-${index}`, one))
    const { status, body } = await send('POST', `${CONFIGURATIONS}/${plural}`, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: `${kind}WebhookConfiguration`,
      metadata: { name },
      webhooks: all,
    })
    assert.equal(status, 201, JSON.stringify(body))
  }
  return {
    send,
    handle: (request: Parameters<typeof test.server.handle>[0]) => test.server.handle(request),
    configure,
    answers,
    stranger,
    metrics: () => formatMetrics(metrics.families()),
    reviews: () => stranger.calls.map(({ body }) => JSON.parse(body).request as Reviewed),
    async [Symbol.asyncDispose]() {
      await test[Symbol.asyncDispose]()
      await stranger[Symbol.asyncDispose]()
    },
  }
}

const hook = ({ url, caBundle }: Stranger, name: string, { path = `/${name}`, rule = {}, ...more }: any) => ({
  name: `${name}.example.com`,
  clientConfig: { url: url + path, caBundle },
  rules: [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], ...rule }],
  sideEffects: 'None',
  admissionReviewVersions: ['v1', 'v1beta1'],
  ...more,
})

const patch = (...operations: object[]) => ({ patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') })
const set = (key: string, value: string) => ({ op: 'add', path: `/data/${key}`, value })

test('mutating webhooks are asked by configuration and place, each seeing what was changed before, and what they make is decoded and defaulted', async () => {
  await using f = await fixture()
  f.answers.set('/b-0', (request) => patch(set('last', Object.keys(request['object'].data).join())))
  f.answers.set('/a-0', () => patch(set('first', '1')))
  f.answers.set('/a-1', () => patch(set('second', '2')))
  await f.configure('Mutating', 'b', [{}])
  await f.configure('Mutating', 'a', [{}, {}])
  const { status, body } = await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x', { own: '0' }))
  assert.deepEqual([status, body.data], [201, { own: '0', first: '1', second: '2', last: 'own,first,second' }])
  f.answers.set('/p-0', () => patch({ op: 'add', path: '/spec/initContainers', value: [{ name: 'i', image: 'busybox:1' }] }))
  await f.configure('Mutating', 'p', [{ rule: { resources: ['pods'] } }])
  const made = await f.send('POST', `${IN_DEFAULT}/pods`, pod('x'))
  const [added] = made.body.spec.initContainers
  assert.deepEqual([added.terminationMessagePolicy, added.imagePullPolicy], ['File', 'IfNotPresent'])
})

for (const level of ['Metadata', 'Request'] as const)
  test(`what webhooks changed is in audit events of level ${level}${level === 'Request' ? ', with the patches' : ', without the patches'}`, async () => {
    const events: { requestURI: string; stage: string; annotations?: Record<string, string> }[] = []
    const backend = {
      name: 'test',
      failures: 0,
      write: ({ text }: { text: string }) => events.push(JSON.parse(text)) > 0,
      async [Symbol.asyncDispose]() {},
    }
    const policy = JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level }] })
    await using f = await fixture({ auditor: new Auditor(new AuditPolicy(policy), { backends: [backend], clock: systemClock }) })
    f.answers.set('/a-0', () => patch(set('first', '1')))
    f.answers.set('/a-1', () => patch({ op: 'test', path: '/data/first', value: '1' }))
    f.answers.set('/a-2', () => ({}))
    await f.configure('Mutating', 'a', [{}, {}, {}])
    await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x', { own: '0' }))
    const { annotations } = events.findLast(({ stage, requestURI }) => stage === 'ResponseComplete' && requestURI.endsWith('/configmaps'))!
    const told = (index: number, more: object) => JSON.stringify({ configuration: 'a', webhook: `a-${index}.example.com`, ...more })
    const operations = [[set('first', '1')], [{ op: 'test', path: '/data/first', value: '1' }]]
    const patches = operations.map((one, index) => [
      `patch.webhook.admission.k8s.io/round_0_index_${index}`,
      told(index, { patch: one, patchType: 'JSONPatch' }),
    ])
    assert.deepEqual(annotations, {
      ...Object.fromEntries(
        [true, false, false].map((mutated, index) => [
          `mutation.webhook.admission.k8s.io/round_0_index_${index}`,
          told(index, { mutated }),
        ]),
      ),
      ...(level === 'Request' ? Object.fromEntries(patches) : {}),
    })
  })

test('webhooks are told everything of a request, in the version they list first', async () => {
  await using f = await fixture()
  f.answers.set('/v-0', () => ({}))
  await f.configure('Validating', 'v', [{ admissionReviewVersions: ['v1beta1', 'v1'] }])
  await f.send('POST', `${IN_DEFAULT}/configmaps?dryRun=All&fieldManager=me`, configMap('x'))
  await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x'))
  await f.send('PATCH merge', `${IN_DEFAULT}/configmaps/x`, { data: { a: 'b' } })
  await f.send('DELETE', `${IN_DEFAULT}/configmaps/x`)
  const [dry, , update, gone] = f.reviews() as [Reviewed, Reviewed, Reviewed, Reviewed]
  const { uid, object, userInfo, ...rest } = dry
  assert.match(uid, /^[0-9a-f-]{36}$/)
  const kind = { group: '', version: 'v1', kind: 'ConfigMap' }
  const resource = { group: '', version: 'v1', resource: 'configmaps' }
  const options = { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', dryRun: ['All'], fieldManager: 'me', fieldValidation: 'Warn' }
  const about = { kind, resource, requestKind: kind, requestResource: resource, name: 'x', namespace: 'default' }
  assert.deepEqual(rest, { ...about, operation: 'CREATE', oldObject: null, dryRun: true, options })
  assert.deepEqual([object.kind, object.metadata.name, userInfo.username], ['ConfigMap', 'x', 'system:anonymous'])
  assert.deepEqual([update['operation'], update['object'].data, update['oldObject'].data], ['UPDATE', { a: 'b' }, undefined])
  assert.deepEqual([gone['operation'], gone['object'], gone['oldObject'].data], ['DELETE', null, { a: 'b' }])
  const [{ path, body } = assert.fail()] = f.stranger.calls
  assert.deepEqual([path, JSON.parse(body).apiVersion], ['/v-0?timeout=10s', 'admission.k8s.io/v1beta1'])
})

test('a refusal carries the code and the words of the webhook', async () => {
  await using f = await fixture()
  await f.configure('Validating', 'v', [{}])
  const denied = 'admission webhook "v-0.example.com" denied the request'
  const cases: [object | undefined, number, string, string | undefined][] = [
    [undefined, 400, `${denied} without explanation`, undefined],
    [{ message: 'no' }, 400, `${denied}: no`, undefined],
    [{ reason: 'Forbidden' }, 400, `${denied}: Forbidden`, 'Forbidden'],
    [{ message: 'no', reason: 'Forbidden', code: 403 }, 403, `${denied}: no`, 'Forbidden'],
    [{ message: 'fine', code: 200, status: 'Success' }, 400, `${denied}: fine`, undefined],
    [{ message: 'odd', code: 99999 }, 400, `${denied}: odd`, undefined],
  ]
  for (const [status, code, message, reason] of cases) {
    f.answers.set('/v-0', () => ({ allowed: false, ...(status ? { status } : {}) }))
    const { status: answered, body } = await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x'))
    assert.deepEqual([answered, body.code, body.message, body.reason, body.status], [code, code, message, reason, 'Failure'])
  }
  assert.equal((await f.send('GET', `${IN_DEFAULT}/configmaps/x`)).status, 404)
})

test('warnings and refusals of several webhooks reach the client', async () => {
  await using f = await fixture()
  f.answers.set('/v-0', () => ({ warnings: ['careful', 'x'.repeat(10_000)] }))
  f.answers.set('/v-1', () => ({ allowed: false }))
  f.answers.set('/v-2', () => ({ allowed: false, status: { message: 'too late' } }))
  await f.configure('Validating', 'v', [{}, {}, {}])
  const { warnings, body } = await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x'))
  assert.equal(warnings?.[0], '299 - "careful"')
  assert.match(body.message, /"v-1.example.com" denied the request without explanation/)
  assert.equal(f.stranger.calls.length, 3)
})

test('what a webhook gets wrong is an internal error with upstream words, unless its failures are to be ignored', async () => {
  await using f = await fixture()
  const response = (uid: unknown, more: object = {}) => ({ uid, allowed: true, ...more })
  const review = (more: object) => ({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', ...more })
  const failed = 'Internal error occurred: failed calling webhook "m-0.example.com": '
  const invalid = `${failed}received invalid webhook response: `
  const broken = (operations: unknown) => ({ patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') })
  const cases: [(request: Reviewed) => unknown, RegExp | string][] = [
    [() => undefined, `${failed}failed to call webhook: an error on the server ("nobody") has prevented the request from succeeding`],
    [
      () => 'no json',
      /failed to call webhook: couldn't get version\/kind; json parse error: invalid character 'o' in literal null \(expecting 'u'\)$/,
    ],
    [() => '<html>', /json parse error: invalid character '<' looking for beginning of value$/],
    [() => '7', /json parse error: json: cannot unmarshal number into Go value of type struct \{ APIVersion string "json:/],
    [() => '[]', /failed to call webhook: couldn't get version\/kind/],
    [() => review({ response: null }), `${invalid}webhook response was absent`],
    [() => review({ response: response('other') }), /expected response.uid="[-0-9a-f]{36}", got "other"$/],
    [
      ({ uid }) => ({ response: response(uid) }),
      `${invalid}expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=`,
    ],
    [
      ({ uid }) => review({ response: response(uid, { patch: 'e30=' }) }),
      `${invalid}webhook returned response.patch but not response.patchType`,
    ],
    [
      ({ uid }) => review({ response: response(uid, { patchType: 'JSONPatch' }) }),
      `${invalid}webhook returned response.patchType but not response.patch`,
    ],
    [() => ({ patchType: 'Merge', patch: 'W10=' }), `${failed}unsupported patch type "Merge"`],
    [() => broken({}), /^Internal error occurred: json: cannot unmarshal object/],
    [() => broken([{ op: 'add', path: '/nowhere/at/all', value: 1 }]), /^Internal error occurred: missing container/],
    [() => broken([{ op: 'replace', path: '', value: 7 }]), /^Internal error occurred: replace operation value must be object or array$/],
    [() => broken([{ op: 'replace', path: '', value: [7] }]), /^Internal error occurred: the patched object has no metadata$/],
    [() => broken([{ op: 'add', path: '/data', value: [1] }]), /^Internal error occurred: /],
    [
      () =>
        broken([
          { op: 'add', path: '/data/999999999', value: 'x' },
          { op: 'replace', path: '/kind', value: 'Secret' },
        ]),
      /^Internal error occurred: the patch turned/,
    ],
  ]
  for (const failurePolicy of ['Fail', 'Ignore']) {
    await f.configure('Mutating', 'm', [{ failurePolicy }])
    for (const [answer, message] of cases) {
      f.answers.set('/m-0', answer)
      const { status, body } = await f.send('POST', `${IN_DEFAULT}/configmaps?dryRun=All`, configMap('x', { a: 'b' }))
      const isCall = message instanceof RegExp ? !message.source.startsWith('^') : true
      if (failurePolicy === 'Ignore' && isCall) assert.equal(status, 201, JSON.stringify(body))
      else {
        assert.equal(status, 500)
        assert.match(body.message, message instanceof RegExp ? message : new RegExp(`^${message.replace(/[.*+?()[\]\\|^$]/g, '\\$&')}$`))
        assert.deepEqual([body.reason, body.details.causes.length], ['InternalError', 1])
      }
    }
  }
  f.answers.set('/m-0', () =>
    broken([
      { op: 'add', path: '/__proto__', value: { polluted: '1' } },
      { op: 'add', path: '/data/__proto__', value: 'p' },
    ]),
  )
  const { status, body } = await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x', { a: 'b' }))
  assert.equal(status, 201, JSON.stringify(body))
  assert.equal(({} as any).polluted, undefined)
  assert.deepEqual(Object.keys(body.data), ['__proto__', 'a'])
})

test('large patches of webhooks are read as small ones are', async () => {
  await using f = await fixture()
  const filler = { op: 'add', path: '/metadata/annotations', value: { filler: 'x'.repeat(200_000) } }
  const container = { op: 'add', path: '/spec/initContainers', value: [{ name: 'i', image: 'busybox:1', unknown: 1 }] }
  const wrong = { op: 'add', path: '/spec/initContainers', value: 7 }
  await f.configure('Mutating', 'p', [{ rule: { resources: ['pods'] } }])
  const answered = []
  for (const more of [[], [filler]]) {
    f.answers.set('/p-0', () => patch(...more, container))
    const { body } = await f.send('POST', `${IN_DEFAULT}/pods?dryRun=All`, pod('x'))
    f.answers.set('/p-0', () => patch(...more, wrong))
    const { status, body: refusal } = await f.send('POST', `${IN_DEFAULT}/pods?dryRun=All`, pod('x'))
    answered.push({ made: body.spec.initContainers, status, message: refusal.message })
  }
  const [small, large] = answered
  assert.equal(small!.made[0].imagePullPolicy, 'IfNotPresent')
  assert.equal(small!.status, 500)
  assert.deepEqual(large, small)
})

test('webhooks asked again see the end of the first round once, if they want to', async () => {
  await using f = await fixture()
  const append = (request: Reviewed, name: string) => patch(set('seen', `${request['object'].data.seen ?? ''}${name}`))
  for (const [path, name] of [
    ['/m-0', 'a'],
    ['/m-1', 'b'],
    ['/m-2', 'c'],
  ] as const)
    f.answers.set(path, (request) => append(request, name))
  await f.configure('Mutating', 'm', [{ reinvocationPolicy: 'IfNeeded' }, {}, { reinvocationPolicy: 'IfNeeded' }])
  const { body } = await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x', { a: 'b' }))
  assert.equal(body.data.seen, 'abcac')
  assert.deepEqual(
    f.stranger.calls.map(({ path }) => path.slice(1, 4)),
    ['m-0', 'm-1', 'm-2', 'm-0', 'm-2'],
  )
})

test('conditions decide who is asked, and their errors go by the failure policy', async () => {
  await using f = await fixture()
  f.answers.set('/v-0', () => ({ allowed: false }))
  const ask = async (matchConditions: object[], failurePolicy = 'Fail') => {
    await f.configure('Validating', 'v', [{ matchConditions, failurePolicy }])
    const { status, body } = await f.send('POST', `${IN_DEFAULT}/configmaps?dryRun=All`, configMap('x', { a: 'b' }))
    return status === 201 ? 'passed' : body.message
  }
  const condition = (expression: string) => ({ name: `c${expression.length}.example.com`, expression })
  const asked = 'admission webhook "v-0.example.com" denied the request without explanation'
  assert.equal(await ask([condition('object.data.a == "b"')]), asked)
  assert.equal(await ask([condition('object.data.a == "c"')]), 'passed')
  assert.equal(await ask([condition('request.operation == "CREATE" && oldObject == null')]), asked)
  assert.equal(await ask([condition("authorizer.group('').resource('pods').check('get').allowed()")]), asked)
  assert.equal(await ask([condition('object.data.none == "b"'), condition('false')]), 'passed')
  assert.match(
    await ask([condition('object.data.none == "b"')]),
    /^configmaps "x" is forbidden: expression 'object.data.none == "b"' resulted in error: no such key: none$/,
  )
  assert.equal(await ask([condition('object.data.none == "b"')], 'Ignore'), 'passed')
})

test('conditions wait for an authorizer that has to be waited for, and ask each question once', async () => {
  const questions: string[] = []
  const authorizer: Authorizer = {
    async authorize({ resource, verb }) {
      questions.push(`${verb} ${resource}`)
      await new Promise(setImmediate)
      if (resource === 'nodes') throw new Error('is asleep')
      return { allowed: resource === 'pods', reason: '' }
    },
  }
  await using f = await fixture({ authorizer })
  f.answers.set('/v-0', () => ({ allowed: false }))
  const check = (resource: string) => `authorizer.group('').resource('${resource}').check('get').allowed()`
  const ask = async (...expressions: string[]) => {
    questions.length = 0
    const matchConditions = expressions.map((expression, index) => ({ name: `c${index}.example.com`, expression }))
    await f.configure('Validating', 'v', [{ matchConditions }])
    return (await f.send('POST', `${IN_DEFAULT}/configmaps?dryRun=All`, configMap('x', { a: 'b' }))).status
  }
  assert.equal(await ask(check('pods'), `${check('secrets')} || ${check('pods')}`), 400)
  assert.deepEqual(questions, ['get pods', 'get secrets'])
  assert.equal(await ask(check('secrets')), 201)
  assert.equal(await ask(`${check('nodes')} == false`), 400)
})

test('webhooks see scales, subresources and other versions as they are', async () => {
  await using f = await fixture()
  f.answers.set('/m-0', ({ object }) => patch({ op: 'replace', path: '/spec/replicas', value: object.spec.replicas + 1 }))
  f.answers.set('/v-0', () => ({}))
  await f.configure('Mutating', 'm', [{ rule: { apiGroups: ['apps'], resources: ['*/scale'] } }])
  await f.configure('Validating', 'v', [{ rule: { apiGroups: ['events.k8s.io'], resources: ['events'] } }])
  await f.send('POST', '/apis/apps/v1/namespaces/default/deployments', deployment('x', { replicas: 2 }))
  const path = '/apis/apps/v1/namespaces/default/deployments/x/scale'
  const { body } = await f.send('PATCH merge', path, { spec: { replicas: 5 } })
  assert.equal(body.spec.replicas, 6)
  const [scale = assert.fail()] = f.reviews()
  assert.deepEqual(
    [scale['kind'], scale['subResource'], scale['object'].spec],
    [{ group: 'autoscaling', version: 'v1', kind: 'Scale' }, 'scale', { replicas: 5 }],
  )
  assert.equal(scale['oldObject'].spec.replicas, 2)
  const event = { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e' }, involvedObject: { namespace: 'default' }, message: 'm' }
  await f.send('POST', `${IN_DEFAULT}/events`, event)
  const other = f.reviews().at(-1)!
  assert.deepEqual([other['resource'].group, other['requestResource'].group, other['object'].note], ['events.k8s.io', '', 'm'])
})

test('configurations are nobody else’s to touch, hold at once and go at once; calls are counted', async () => {
  await using f = await fixture()
  f.answers.set('/all-0', () => ({ allowed: false }))
  await f.configure('Validating', 'all', [{ rule: { apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] } }])
  assert.equal((await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x'))).status, 400)
  assert.equal((await f.send('DELETE', `${CONFIGURATIONS}/validatingwebhookconfigurations/all`)).status, 200)
  assert.equal((await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x'))).status, 201)
  const text = f.metrics()
  const labels = 'name="all-0.example.com",type="validating",operation="CREATE"'
  assert.match(text, new RegExp(`apiserver_admission_webhook_rejection_count{${labels},error_type="no_error",rejection_code="400"} 1`))
  assert.match(text, new RegExp(`apiserver_admission_webhook_admission_duration_seconds_count{${labels},rejected="true"} 1`))
})

test('what webhooks take is no part of what a request takes of the server', async () => {
  for (const kind of ['Mutating', 'Validating'] as const) {
    await using f = await fixture()
    f.answers.set('/slow-0', () => ({ allowed: true }))
    await f.configure(kind, 'slow', [{}])
    assert.equal((await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x'))).status, 201)
    const { text } = await f.handle({ method: 'GET', path: '/metrics' })
    const sum = (name: string) => Number(new RegExp(`^${name}_sum\\{verb="POST",.*resource="configmaps".*\\} (.*)$`, 'm').exec(text)![1])
    assert.ok(sum('apiserver_request_sli_duration_seconds') < sum('apiserver_request_duration_seconds'), kind)
  }
})

for (const kind of ['Mutating', 'Validating'] as const)
  test(`${kind} webhooks have no more time than the request, whatever their failurePolicy, and are told how much`, async () => {
    const clock = createVirtualClock()
    await using f = await fixture({ clock })
    const reached = Promise.withResolvers<void>()
    f.stranger.answerer = () => reached.resolve()
    await f.configure(kind, 'slow', [{ failurePolicy: 'Ignore', timeoutSeconds: 30 }])
    const asked = f.send('POST', `${IN_DEFAULT}/configmaps?timeout=300ms`, configMap('x'))
    await reached.promise
    await clock.advance(300)
    const { status, body } = await asked
    assert.deepEqual([status, body.reason], [504, 'Timeout'])
    assert.match(
      body.message,
      /^Timeout: request did not complete within (the allotted timeout|requested timeout - context deadline exceeded)$/,
    )
    assert.equal(new URL(f.stranger.calls.at(-1)!.path, f.stranger.url).searchParams.get('timeout'), '1s')
    assert.equal((await f.send('GET', `${IN_DEFAULT}/configmaps/x`)).status, 404)
  })

test('webhooks are not waited for once the client has left', async () => {
  await using f = await fixture()
  const leaving = new AbortController()
  const broken = Promise.withResolvers<void>()
  f.stranger.answerer = (_call, response) => {
    response.on('close', () => broken.resolve())
    leaving.abort()
  }
  await f.configure('Validating', 'slow', [{ timeoutSeconds: 30 }])
  const body = JSON.stringify(configMap('x'))
  const headers = { 'content-type': 'application/json' }
  await f.handle({ method: 'POST', path: `${IN_DEFAULT}/configmaps`, body, headers, signal: leaving.signal }).catch(() => undefined)
  await broken.promise
  assert.equal((await f.send('GET', `${IN_DEFAULT}/configmaps/x`)).status, 404)
})

test('mutating webhooks change what exec runs', async () => {
  await using f = await fixture()
  f.answers.set('/exec-0', ({ operation, object }) => {
    assert.deepEqual([operation, object.kind, object.command], ['CONNECT', 'PodExecOptions', ['sh', '-c', 'id']])
    return patch({ op: 'replace', path: '/command', value: ['id'] })
  })
  await f.configure('Mutating', 'exec', [{ rule: { operations: ['CONNECT'], resources: ['pods/exec'] } }])
  const { status, body } = await f.send('POST', `${IN_DEFAULT}/pods/x/exec?command=sh&command=-c&command=id&stdout=true`)
  assert.deepEqual([status, body], [200, ['id']])
})
