import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { isReady } from '#controllers/pod-state.ts'
import { startCluster, virtual } from '#main/testing.ts'
import { Stage, type StageSpec } from '#node/simulated/stages/stage.ts'

const namespace = 'default'
const pod = (name: string, labels: Record<string, string> = {}): Pod => ({
  metadata: { name, namespace, labels },
  spec: { containers: [{ name: 'c', image: 'c:1' }] },
})

async function start() {
  const cluster = await startCluster({ nodes: 2, clock: virtual(), seed: 1, listen: false, stages: true })
  await cluster.advance('5s')
  const { client } = cluster
  return {
    ...cluster,
    stage: (name: string, spec: StageSpec) =>
      client.create(Stage, { apiVersion: 'sampan.dev/v1', kind: 'Stage', metadata: { name }, spec }),
    pod: (name: string) => client.get(Pod, { namespace, name }),
    events: async (about: string) =>
      (await client.list(CoreEvent)).items.filter(({ involvedObject }) => involvedObject.name === about).map(({ reason }) => reason),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}

test('Stages makes of a pod what a stage says, after its delay, and of no other', async () => {
  await using t = await start()
  await t.stage('oom', {
    resource: 'Pod',
    selector: { matchLabels: { app: 'hungry' } },
    when: "object.status.phase == 'Running'",
    delay: { seconds: 60 },
    next: {
      status: { phase: 'Failed', reason: 'Evicted' },
      statusExpression: "{'message': 'The node was low on memory at ' + string(now)}",
      event: { type: 'Warning', reason: 'Evicted', message: 'low on memory' },
    },
  })
  await t.client.create(Pod, pod('a', { app: 'hungry' }))
  await t.client.create(Pod, pod('b'))
  await t.advance('50s')
  assert.deepEqual([(await t.pod('a')).status?.phase, (await t.pod('b')).status?.phase], ['Running', 'Running'])
  await t.advance('15s')
  const { status, metadata } = await t.pod('a')
  assert.deepEqual([status?.phase, status?.reason, metadata?.annotations?.['sampan.dev/stage']], ['Failed', 'Evicted', 'oom'])
  assert.match(status!.message!, /^The node was low on memory at 2026-01-01T00:01:0\dZ$/)
  assert.equal((await t.pod('b')).status?.phase, 'Running')
  assert.ok((await t.events('a')).includes('Evicted'))
})

test('Stages follow each other: a node goes down and comes back', async () => {
  await using t = await start()
  const condition = (status: string) =>
    `{'conditions': [{'type': 'Ready', 'status': '${status}', 'reason': 'Staged', 'message': '', 'lastTransitionTime': string(now)}]}`
  const isAt = (status: string) => `object.status.conditions.exists(c, c.type == 'Ready' && c.status == '${status}')`
  const selector = { matchLabels: { 'kubernetes.io/hostname': 'simulated-0' } }
  await t.stage('down', {
    resource: 'Node',
    selector,
    when: isAt('True'),
    delay: { seconds: 30 },
    next: { statusExpression: condition('False') },
  })
  await t.stage('back', {
    resource: 'Node',
    selector,
    when: isAt('False'),
    delay: { seconds: 30 },
    next: { statusExpression: condition('True') },
  })
  const readyOf = async (name: string) =>
    (await t.client.get(Node, { name })).status?.conditions?.find(({ type }) => type === 'Ready')?.status
  const seen: (string | undefined)[] = []
  for (let half = 0; half < 8; half++) {
    await t.advance('15s')
    seen.push(await readyOf('simulated-0'))
  }
  assert.ok(seen.includes('False') && seen.lastIndexOf('True') > seen.indexOf('False'), seen.join())
  assert.equal(await readyOf('simulated-1'), 'True')
})

test('Stages draw among several by weight, the same by one seed', async () => {
  const draw = async () => {
    await using t = await start()
    const one = (name: string, weight: number) =>
      t.stage(name, {
        resource: 'Pod',
        weight,
        when: "object.status.phase == 'Running'",
        delay: { seconds: 5 },
        next: { status: { phase: 'Failed', reason: name } },
      })
    await one('rare', 1)
    await one('often', 9)
    await one('never', 0)
    for (let i = 0; i < 40; i++) await t.client.create(Pod, pod(`p${i}`))
    await t.advance('20s')
    return Promise.all(Array.from({ length: 40 }, async (_, i) => (await t.pod(`p${i}`)).status?.reason))
  }
  const drawn = await draw()
  const count = (name: string) => drawn.filter((reason) => reason === name).length
  assert.equal(count('rare') + count('often'), 40)
  assert.ok(count('often') > count('rare') && count('rare') > 0, drawn.join())
  assert.deepEqual(await draw(), drawn)
})

test('Stages leave a pod unready that a stage made so, and delete what a stage deletes', async () => {
  await using t = await start()
  const statusExpression =
    "{'conditions': [{'type': 'Ready', 'status': 'False', 'reason': 'ContainersNotReady', 'lastTransitionTime': string(now)}]}"
  const isUnready = "object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'False')"
  await t.stage('unready', {
    resource: 'Pod',
    when: `object.status.phase == 'Running' && !(${isUnready})`,
    delay: { seconds: 10 },
    next: { statusExpression },
  })
  await t.client.create(Pod, pod('a'))
  await t.advance('60s')
  assert.equal(isReady(await t.pod('a')), false)
  await t.stage('gone', { resource: 'Pod', when: isUnready, next: { delete: true } })
  await t.advance('5s')
  assert.deepEqual((await t.client.list(Pod, { namespace })).items, [])
})

test('Stages say what is wrong with a stage, and play the others', async () => {
  await using t = await start()
  await t.stage('broken', { resource: 'Pod', when: 'object.status.phase ==', next: { delete: true } })
  await t.stage('no-bool', { resource: 'Pod', when: '1 + 1', next: { delete: true } })
  await t.stage('fine', { resource: 'Pod', when: "object.status.phase == 'Running'", next: { labels: { seen: 'yes' } } })
  await t.client.create(Pod, pod('a'))
  await t.advance('10s')
  assert.equal((await t.pod('a')).metadata?.labels?.['seen'], 'yes')
  const accepted = async (name: string) =>
    (await t.client.get(Stage, { name })).status?.conditions?.map(({ type, status, message }) => `${type} ${status} ${message}`).join()
  assert.match((await accepted('broken'))!, /^Accepted False spec\.when: compilation failed: ERROR: <input>:1:/)
  assert.match((await accepted('no-bool'))!, /^Accepted False spec\.when: must evaluate to bool$/)
  assert.equal(await accepted('fine'), 'Accepted True ')
  // Put right, it is played.
  await t.client.patch(Stage, { name: 'broken' }, { type: 'merge', patch: { spec: { when: 'has(object.metadata.labels.seen)' } } })
  await t.advance('5s')
  assert.equal(await accepted('broken'), 'Accepted True ')
  assert.deepEqual((await t.client.list(Pod, { namespace })).items, [])
})

test('Stages play a stage that follows itself ever more slowly', async () => {
  await using t = await start()
  await t.stage('loop', { resource: 'Pod', next: { statusExpression: "{'message': string(now)}" } })
  await t.client.create(Pod, pod('a'))
  let writes = 0
  const stop = new AbortController()
  const { metadata } = await t.client.list(Pod, { namespace })
  const watching = (async () => {
    for await (const _ of t.client.watch(Pod, { namespace, resourceVersion: metadata!.resourceVersion!, signal: stop.signal })) writes++
  })()
  await t.advance('10m')
  stop.abort()
  await watching
  assert.ok(writes > 4 && writes < 40, String(writes))
})

test('Stages delete ever more slowly what is made again as soon as it is gone', async () => {
  await using t = await start()
  await t.stage('reap', { resource: 'Pod', when: "object.status.phase == 'Running'", next: { delete: true } })
  const metadata = { namespace, name: 'set' }
  const template = { metadata: { labels: { app: 'set' } }, spec: { containers: [{ name: 'c', image: 'c' }] } }
  const spec = { replicas: 2, selector: { matchLabels: { app: 'set' } }, template }
  await t.client.create(ReplicaSet, { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata, spec })
  // It would never come to its end.
  await t.advance('10m')
  assert.equal((await t.client.list(Pod, { namespace })).items.length, 2)
})

test('Stages hold back stages that undo each other', async () => {
  await using t = await start()
  const label = (name: string, from: string, to: string) =>
    t.stage(name, { resource: 'Pod', when: `object.metadata.labels.state == '${from}'`, next: { labels: { state: to } } })
  await label('on', 'off', 'on')
  await label('off', 'on', 'off')
  await t.client.create(Pod, pod('a', { state: 'on' }))
  const before = Number((await t.pod('a')).metadata!.resourceVersion)
  await t.advance('10m')
  const { metadata, status } = await t.pod('a')
  assert.ok(metadata!.generation! < 100 && Number(metadata!.resourceVersion) - before < 200, JSON.stringify(metadata))
  // Labels say nothing of the status: the pod runs as any other.
  assert.equal(status?.phase, 'Running')
})

test('Stages end a container once, with the code they say, and the restart policy goes on from there', async () => {
  await using t = await start()
  await t.stage('crash', {
    resource: 'Pod',
    when: "object.status.phase == 'Running' && object.status.containerStatuses.all(c, c.restartCount == 0)",
    delay: { seconds: 20 },
    next: { exit: { container: 'c', code: 7, reason: 'Boom' } },
  })
  await t.client.create(Pod, pod('always'))
  const never = pod('never')
  await t.client.create(Pod, { ...never, spec: { ...never.spec!, restartPolicy: 'Never' } })
  await t.advance('60s')
  const { status } = await t.pod('always')
  const [main] = status!.containerStatuses!
  assert.deepEqual([status?.phase, main?.restartCount, main?.lastState?.terminated?.exitCode], ['Running', 1, 7])
  assert.equal(main?.lastState?.terminated?.reason, 'Boom')
  const failed = await t.pod('never')
  assert.deepEqual([failed.status?.phase, failed.status?.containerStatuses?.[0]?.state?.terminated?.exitCode], ['Failed', 7])
})

test('Stages put finalizers in and take them away, and say how long a pod takes to go', async () => {
  await using t = await start()
  const finalizer = 'example.com/kept'
  await t.stage('keep', {
    resource: 'Pod',
    selector: { matchLabels: { kept: 'yes' } },
    when: '!has(object.metadata.deletionTimestamp) && !has(object.metadata.finalizers)',
    next: { finalizers: { add: [finalizer] } },
  })
  await t.stage('let-go', {
    resource: 'Pod',
    when: 'has(object.metadata.deletionTimestamp) && has(object.metadata.finalizers)',
    delay: { seconds: 20 },
    next: { finalizers: { remove: [finalizer] } },
  })
  await t.stage('slow', {
    resource: 'Pod',
    selector: { matchLabels: { slow: 'yes' } },
    when: 'has(object.metadata.deletionTimestamp)',
    delay: { seconds: 90 },
    next: { delete: true },
  })
  await t.client.create(Pod, pod('kept', { kept: 'yes' }))
  await t.client.create(Pod, pod('slow', { slow: 'yes' }))
  await t.client.create(Pod, pod('freed', { slow: 'yes' }))
  await t.advance('10s')
  assert.deepEqual((await t.pod('kept')).metadata?.finalizers, [finalizer])
  for (const name of ['kept', 'slow', 'freed']) await t.client.delete(Pod, { namespace, name })
  await t.advance('10s')
  // Stages are not for it any more: it goes as any other.
  await t.client.patch(Pod, { namespace, name: 'freed' }, { type: 'merge', patch: { metadata: { labels: { slow: null } } } })
  await t.advance('5s')
  const names = async () => (await t.client.list(Pod, { namespace })).items.map(({ metadata }) => metadata?.name).toSorted()
  assert.deepEqual(await names(), ['kept', 'slow'])
  await t.advance('10s')
  assert.deepEqual(await names(), ['slow'])
  await t.advance('50s')
  assert.deepEqual(await names(), ['slow'])
  await t.advance('30s')
  assert.deepEqual(await names(), [])
})

test('Stages put nodes under pressure, which end pods one by one and take no more', async () => {
  await using t = await start()
  await t.stage('full', {
    resource: 'Node',
    selector: { matchLabels: { 'kubernetes.io/hostname': 'simulated-0' } },
    delay: { seconds: 30 },
    when: "!has(object.metadata.annotations) || !('sampan.dev/pressure' in object.metadata.annotations)",
    next: { annotations: { 'sampan.dev/pressure': 'memory' } },
  })
  const on = (name: string, requests: Record<string, string> = {}, priority?: number): Pod => ({
    metadata: { name, namespace },
    spec: {
      nodeName: 'simulated-0',
      ...(priority ? { priority } : {}),
      containers: [{ name: 'c', image: 'c:1', resources: { requests } }],
    },
  })
  await t.client.create(Pod, on('guarded', { memory: '1Gi' }))
  await t.client.create(Pod, on('best-effort'))
  await t.advance('20s')
  const phases = async () =>
    Object.fromEntries((await t.client.list(Pod, { namespace })).items.map(({ metadata, status }) => [metadata?.name, status?.phase]))
  await t.advance('25s')
  assert.deepEqual(await phases(), { guarded: 'Running', 'best-effort': 'Failed' })
  const { status } = await t.pod('best-effort')
  assert.equal(status?.reason, 'Evicted')
  assert.match(status!.message!, /^The node was low on resource: memory\. Container c was using/)
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 137)
  assert.deepEqual(
    status?.conditions?.filter(({ type }) => type === 'DisruptionTarget').map(({ status: is, reason }) => [is, reason]),
    [['True', 'TerminationByKubelet']],
  )
  assert.ok((await t.events('best-effort')).includes('Evicted'))
  assert.ok((await t.events('simulated-0')).includes('EvictionThresholdMet'))
  const taints = (await t.client.get(Node, { name: 'simulated-0' })).spec?.taints
  assert.deepEqual(
    taints?.map(({ key, effect }) => `${key}:${effect}`),
    ['node.kubernetes.io/memory-pressure:NoSchedule'],
  )
  await t.client.create(Pod, on('late'))
  await t.advance('2s')
  const late = await t.pod('late')
  assert.deepEqual([late.status?.reason, late.status?.message], ['Evicted', 'Pod was rejected: The node had condition: [MemoryPressure]. '])
  await t.advance('10s')
  assert.equal((await phases())['guarded'], 'Failed')
})
