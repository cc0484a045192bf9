// The node's HTTPS API on real containers: logs, exec, attach and port-forward by SPDY and WebSocket, statistics, and who is let in.
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, renameSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock as clock } from '#lib/clock.ts'
import { silentLogger as log } from '#lib/log.ts'
import { SpdyConnection, type SpdyStream } from '#lib/spdy/connection.ts'
import { createKubeletServer } from '#node/kubelet-server.ts'
import type { ContainerConfig, PodDirectory } from '#node/runtime.ts'
import { contractContainer, contractSandbox } from '#node/runtime-contract.ts'
import type { WebSocket } from 'ws'
import { eventually } from '../instance.ts'
import { channel, NodeClient, session, testCertificates, textOf } from './node-client.ts'
import { type CriWorld, criWorld } from './world.ts'

const ALL = 'output=1&error=1'

describe('the node API', () => {
  let world: CriWorld
  let server: AsyncDisposable
  let api: NodeClient
  const watching = new AbortController()
  const stopped = new Set<string>()
  let as: (who: 'apiServer' | 'admin' | 'stranger' | 'forged' | 'nobody') => NodeClient
  const pods: {
    name: string
    sandboxId: string
    ip: string
    containerId: string
    logPath: string
    config: ContainerConfig
  }[] = []

  const directory: PodDirectory = {
    container(_namespace, name, container, options) {
      const pod = pods.find((one) => one.name === name)
      if (!pod || container !== 'c' || options?.previous) return undefined
      const { containerId, logPath, config } = pod
      return { containerId, logPath, state: stopped.has(containerId) ? 'exited' : 'running', tty: config.tty, stdin: config.stdin }
    },
    sandbox: (_namespace, name) => pods.find((one) => one.name === name),
    pods: () => [
      ...pods.map(({ name }) => ({ metadata: { name, namespace: 'contract' }, spec: { containers: [{ name: 'c' }] } })),
      {
        metadata: { name: 'waiting', namespace: 'contract' },
        spec: { containers: [{ name: 'c' }] },
        status: { containerStatuses: [{ name: 'c', state: { waiting: { reason: 'ContainerCreating' } } }] },
      },
    ],
  }

  const start = async (name: string, command: string[], more: Partial<ContainerConfig> = {}, image = 'busybox') => {
    const { runtime } = world
    const sandbox = contractSandbox(name, world)
    const sandboxId = await runtime.runPodSandbox(sandbox)
    const { id } = (await runtime.imageStatus(image))!
    const config = contractContainer('c', { id, reference: image }, { command, ...more })
    const containerId = await runtime.createContainer(sandboxId, config, sandbox)
    await runtime.startContainer(containerId)
    const ip = (await runtime.sandboxStatus(sandboxId))!.ips[0]!
    pods.push({ name, sandboxId, ip, containerId, logPath: join(sandbox.logDirectory, 'c/0.log'), config })
    return pods.at(-1)!
  }

  before(async () => {
    world = await criWorld()
    const certificates = await testCertificates()
    const { authority, server: own } = certificates
    const service = createKubeletServer({
      directory,
      runtime: world.runtime,
      nodeName: 'node-1',
      tls: { key: own.key, cert: own.certificate, clientCa: authority.certificate },
      port: 0,
      clock,
      log,
    })
    server = await service.start(new AbortController().signal)
    as = (who) => new NodeClient(service.port, authority, who === 'nobody' ? undefined : certificates[who])
    api = as('apiServer')
    // What the agent's watching would keep up to date.
    void (async () => {
      for await (const { type, containerId } of world.runtime.events(watching.signal)) if (type === 'stopped') stopped.add(containerId)
    })()
    await start('box', ['sleep', '3600'])
    await start('web', [], {}, 'web:v1')
    await start('talk', [
      'sh',
      '-c',
      'for i in 1 2 3 4 5; do echo "line $i"; done; echo "to err" >&2; printf "%020000d\\n" 7; exec sleep 3600',
    ])
    const said = 5 * 'line 1\n'.length + 'to err\n'.length + 20_001
    await eventually(async () => (await api.get('/containerLogs/contract/talk/c')).body.length >= said)
  })
  after(async () => {
    watching.abort()
    await server?.[Symbol.asyncDispose]()
    await world?.[Symbol.asyncDispose]()
  })

  describe('lets in', () => {
    for (const [who, status] of [
      ['apiServer', 200],
      ['admin', 200],
      ['stranger', 403],
      ['forged', 401],
      ['nobody', 401],
    ] as const) {
      test(`${who} with ${status}`, async () => {
        assert.equal((await as(who).get('/healthz')).status, status)
        const upgrade = as(who).spdy(`/exec/contract/box/c?command=true&${ALL}`, 'v4.channel.k8s.io')
        if (status === 200) (await upgrade).destroy()
        else await assert.rejects(upgrade, new RegExp(`^Error: ${status}`))
      })
    }

    test('names who was refused what', async () => {
      const { body } = await as('stranger').get('/stats/summary')
      assert.equal(body, 'Forbidden (user=stranger, verb=get, resource=nodes, subresource(s)=[stats])\n')
    })
  })

  describe('logs', () => {
    const logs = (query = '', pod = 'talk') => api.get(`/containerLogs/contract/${pod}/c?${query}`)
    const numbered = 'line 1\nline 2\nline 3\nline 4\nline 5\n'
    const long = `${'7'.padStart(20_000, '0')}\n`

    test('joins pieces of long lines', async () => {
      const { status, body } = await logs()
      assert.equal(status, 200)
      assert.equal(body.replace('to err\n', ''), numbered + long)
    })

    for (const [query, expected] of [
      ['stream=Stderr', 'to err\n'],
      ['stream=Stdout&limitBytes=10', 'line 1\nlin'],
      ['tailLines=0', ''],
      ['sinceTime=2999-01-01T00:00:00Z', ''],
      ['sinceSeconds=3600&stream=Stderr', 'to err\n'],
    ] as const) {
      test(`keep to ${query}`, async () => assert.equal((await logs(query)).body, expected))
    }

    test('carry a timestamp once per line', async () => {
      const { body } = await logs('timestamps=true&stream=Stdout')
      const lines = body.trimEnd().split('\n')
      assert.equal(lines.length, 6)
      for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z (line|0)/)
      assert.equal(body.match(/Z /g)?.length, 6)
    })

    for (const [query, status, message] of [
      ['tailLines=x', 400, /Unable to decode query/],
      ['tailLines=-1', 422, /Invalid request/],
      ['stream=Both', 422, /Invalid request/],
      ['stream=Stdout&tailLines=1', 422, /Invalid request/],
      ['previous=true', 400, /^previous terminated container "c" in pod "talk" not found$/],
    ] as const) {
      test(`refuse ${query}`, async () => {
        const answer = await logs(query)
        assert.equal(answer.status, status)
        assert.match(answer.body, message)
      })
    }

    test('say why there are none', async () => {
      assert.deepEqual(await logs('', 'waiting'), {
        status: 400,
        body: 'container "c" in pod "waiting" is waiting to start: ContainerCreating',
      })
      assert.deepEqual(await logs('', 'none'), { status: 404, body: '{"message": "pod \\"none\\" does not exist\\n"}' })
      const { status, body } = await api.get('/containerLogs/contract/talk/other')
      assert.deepEqual([status, body], [404, '{"message": "container \\"other\\" not found in pod \\"talk\\"\\n"}'])
    })

    test('follow until the container ends', async () => {
      await start('ending', ['sh', '-c', 'i=0; while [ $i -lt 20 ]; do echo $i; i=$((i+1)); sleep 0.02; done'])
      const { body } = await logs('follow=true', 'ending')
      assert.equal(body, Array.from({ length: 20 }, (_, i) => `${i}\n`).join(''))
    })

    test('follow over a rotation and lose nothing', async () => {
      const pod = await start('rotating', ['sh', '-c', 'i=0; until [ -e /enough ]; do echo $i; i=$((i+1)); sleep 0.01; done'])
      const following = logs('follow=true', 'rotating')
      await eventually(async () => existsSync(pod.logPath) && (await logs('', 'rotating')).body.includes('10\n'))
      renameSync(pod.logPath, `${pod.logPath}.1`)
      await world.runtime.reopenContainerLog(pod.containerId)
      await eventually(async () => existsSync(pod.logPath) && statSync(pod.logPath).size > 0)
      assert.equal((await world.runtime.execSync(pod.containerId, ['touch', '/enough'], 60)).exitCode, 0)
      const { body } = await following
      const count = body.split('\n').length - 1
      assert.ok(count > 11)
      assert.equal(body, Array.from({ length: count }, (_, i) => `${i}\n`).join(''))
    })

    test('stop following when the client goes', async () => {
      const { body } = await api.get('/containerLogs/contract/talk/c?follow=true&tailLines=1', { taken: (_, stop) => stop() })
      assert.ok(body.length > 0)
    })
  })

  const remote = (verb: string, pod: string, query: string) => `/${verb}/contract/${pod}/c?${query}`
  const command = (...words: string[]) => words.map((word) => `command=${encodeURIComponent(word)}`).join('&')

  describe('exec by SPDY', () => {
    const run = async (query: string, drive: (streams: Record<string, SpdyStream>) => void, names: string[]) => {
      const connection = await api.spdy(remote('exec', 'box', query), 'v4.channel.k8s.io')
      const streams = Object.fromEntries(names.map((streamtype) => [streamtype, connection.open({ streamtype })]))
      drive(streams)
      const read = async (name: string) => (streams[name] ? textOf(streams[name]) : '')
      const [stdout, stderr, error] = await Promise.all([read('stdout'), read('stderr'), read('error')])
      connection.close()
      return { stdout, stderr, status: JSON.parse(error) }
    }

    test('carries input to its end, both outputs, and the exit code', async () => {
      const query = `${command('sh', '-c', 'cat; echo done >&2; exit 4')}&input=1&${ALL}`
      const { stdout, stderr, status } = await run(query, ({ stdin }) => stdin?.end('hello\n'), ['error', 'stdin', 'stdout', 'stderr'])
      assert.equal(stdout, 'hello\n')
      assert.equal(stderr, 'done\n')
      assert.equal(status.reason, 'NonZeroExitCode')
      assert.deepEqual(status.details.causes, [{ reason: 'ExitCode', message: '4' }])
    })

    test('carries much output without loss', async () => {
      const { stdout, status } = await run(`${command('head', '-c', '30000000', '/dev/zero')}&output=1`, () => {}, ['error', 'stdout'])
      assert.equal(stdout.length, 30_000_000)
      assert.equal(status.status, 'Success')
    })
  })

  describe('exec by WebSocket', () => {
    const run = (query: string, protocol: string, drive?: Parameters<typeof session>[1], opened?: (socket: WebSocket) => void) => {
      const socket = api.webSocket(remote('exec', 'box', query), [protocol])
      if (opened) socket.on('open', () => opened(socket))
      return session(socket, drive)
    }

    test('v5 carries input to its end and the exit code, and closes normally', async () => {
      const { code, seen } = await run(`${command('sh', '-c', 'cat; exit 9')}&input=1&${ALL}`, 'v5.channel.k8s.io', undefined, (socket) => {
        socket.send(channel(0, 'some input'))
        socket.send(Buffer.of(255, 0))
      })
      assert.equal(code, 1000)
      assert.equal(seen.get(1), 'some input')
      assert.deepEqual(JSON.parse(seen.get(3)!).details.causes, [{ reason: 'ExitCode', message: '9' }])
    })

    test('v4 tells success, and the outputs apart', async () => {
      const { seen } = await run(`${command('sh', '-c', 'echo out; echo err >&2')}&${ALL}`, 'v4.channel.k8s.io')
      assert.deepEqual([seen.get(1), seen.get(2)], ['out\n', 'err\n'])
      assert.equal(JSON.parse(seen.get(3)!).status, 'Success')
    })

    test('a terminal takes its size, and a new one', async () => {
      const query = `${command('sh', '-c', 'while read line; do stty size; done; true')}&input=1&output=1&tty=1`
      const steps = [
        { seen: /44 133/, send: [channel(4, '{"Width":99,"Height":11}'), channel(0, '\n')] },
        { seen: /11 99/, send: [channel(0, '\u0004')] },
      ]
      const drive = (socket: WebSocket, seen: Map<number, string>) => {
        // The size is set beside the input, so a question may overtake it: ask until the answer is there.
        if (/(\d+ \d+|standard input)\s*$/.test(seen.get(1) ?? '')) {
          const step = steps[0]?.seen.test(seen.get(1)!) ? steps.shift() : undefined
          for (const message of step?.send ?? [channel(0, '\n')]) socket.send(message)
        }
      }
      const { seen } = await run(query, 'v5.channel.k8s.io', drive, (socket) => {
        socket.send(channel(4, '{"Width":133,"Height":44}'))
        socket.send(channel(0, '\n'))
      })
      assert.match(seen.get(1)!, /44 133[\s\S]*11 99/)
      assert.equal(JSON.parse(seen.get(3)!).status, 'Success')
    })

    test('base64 carries the same in text', async () => {
      const { seen } = await run(`${command('echo', 'hi')}&output=1`, 'v4.base64.channel.k8s.io')
      assert.equal(Buffer.from(seen.get(0x31)!, 'base64').toString(), 'hi\n')
    })

    test('carries much output to a slow reader without loss', async () => {
      const socket = api.webSocket(remote('exec', 'box', `${command('head', '-c', '20000000', '/dev/zero')}&output=1`), [
        'v5.channel.k8s.io',
      ])
      let size = 0
      socket.on('message', (message: Buffer) => {
        if (message[0] === 1) size += message.length - 1
        socket.pause()
        setImmediate(() => socket.resume())
      })
      await once(socket, 'close')
      assert.equal(size, 20_000_000)
    })

    test('an unknown protocol is refused', async () => {
      const socket = api.webSocket(remote('exec', 'box', `${command('true')}&output=1`), ['v9.channel.k8s.io'])
      const [error] = await once(socket, 'error')
      assert.match((error as Error).message, /400/)
    })
  })

  test('exec in a program that is not there, a container that is not, no streams', async () => {
    const { seen } = await session(api.webSocket(remote('exec', 'box', `${command('/none')}&output=1`), ['v5.channel.k8s.io']))
    assert.match(seen.get(3)!, /no such file or directory/)
    await assert.rejects(api.spdy(remote('exec', 'none', `${command('true')}&output=1`), 'v4.channel.k8s.io'), /404 pod does not exist/)
    await assert.rejects(
      api.spdy(`/exec/contract/box/other?${command('true')}&output=1`, 'v4.channel.k8s.io'),
      /500 container not found \("other"\)/,
    )
    await assert.rejects(api.spdy(remote('exec', 'box', command('true')), 'v4.channel.k8s.io'), /400 you must specify at least 1 of/)
    assert.deepEqual(await api.get(remote('exec', 'box', `${command('true')}&output=1`)), { status: 400, body: 'Upgrade request required' })
  })

  test('attach reaches the program that runs', async () => {
    await start('reader', ['sh', '-c', 'while read line; do echo "got $line"; done; echo over'], { stdin: true })
    const socket = api.webSocket(remote('attach', 'reader', `input=1&${ALL}`), ['v5.channel.k8s.io'])
    const { seen } = await session(socket, (open, heard) => {
      if (heard.get(1) === '') open.send(channel(0, 'first\n'))
      else if (heard.get(1) === 'got first\n') open.send(Buffer.of(255, 0))
    })
    assert.match(seen.get(1)!, /^got first\n/)
  })

  test('run answers the output', async () => {
    assert.deepEqual(await api.get(`/run/contract/box/c?cmd=${encodeURIComponent('echo hello')}`, { method: 'POST' }), {
      status: 200,
      body: 'hello\n',
    })
  })

  describe('port-forward', () => {
    const ask = 'GET / HTTP/1.0\r\n\r\n'
    const forward = async (connection: SpdyConnection, requestid: string) => {
      const error = connection.open({ streamtype: 'error', port: '8080', requestid })
      error.end()
      const data = connection.open({ streamtype: 'data', port: '8080', requestid })
      data.write(ask)
      return Promise.all([textOf(data), textOf(error)])
    }

    test('by SPDY, several at once', async () => {
      const connection = await api.spdy('/portForward/contract/web', 'portforward.k8s.io')
      const answers = await Promise.all([forward(connection, '0'), forward(connection, '1'), forward(connection, '2')])
      for (const [data, error] of answers) {
        assert.match(data, /web\nv1\n$/)
        assert.equal(error, '')
      }
      connection.close()
    })

    test('by SPDY inside a WebSocket', async () => {
      const tunnel = await api.tunnel('/portForward/contract/web', 'SPDY/3.1+portforward.k8s.io')
      const connection = new SpdyConnection(tunnel, { role: 'client' })
      const [data] = await forward(connection, '0')
      assert.match(data, /web\nv1\n$/)
      connection.destroy()
    })

    test('by channels of a WebSocket', async () => {
      const socket = api.webSocket('/portForward/contract/web?port=8080', ['v4.channel.k8s.io'])
      const { seen } = await session(socket, (open, heard) => {
        if (heard.size === 2 && heard.get(0)?.length === 2) open.send(channel(0, ask))
      })
      assert.match(seen.get(0)!, /web\nv1\n$/)
    })

    test('says when nobody listens', async () => {
      const connection = await api.spdy('/portForward/contract/box', 'portforward.k8s.io')
      const error = connection.open({ streamtype: 'error', port: '81', requestid: '0' })
      error.end()
      const data = connection.open({ streamtype: 'data', port: '81', requestid: '0' })
      data.resume()
      assert.match(await textOf(error), /connection refused/i)
      connection.destroy()
    })

    test('refuses a pod that is not there', async () => {
      await assert.rejects(api.spdy('/portForward/contract/none', 'portforward.k8s.io'), /404 pod does not exist/)
    })
  })

  test('pages', async () => {
    assert.equal((await api.get('/healthz')).body, 'ok')
    const list = JSON.parse((await api.get('/pods')).body)
    assert.equal(list.kind, 'PodList')
    assert.ok(list.items.some((pod: { metadata: { name: string } }) => pod.metadata.name === 'box'))
    const running = JSON.parse((await api.get('/runningpods/')).body)
    assert.ok(running.items.some((pod: { metadata: { name: string } }) => pod.metadata.name === 'web'))
    assert.deepEqual(Object.keys(JSON.parse((await api.get('/configz')).body)), ['kubeletconfig'])
    for (const [path, status] of [
      ['/logs/', 405],
      ['/debug/pprof/', 405],
      ['/nothing', 404],
      ['/constructor', 404],
      ['/%E0%A4%A', 400],
    ] as const)
      assert.equal((await api.get(path)).status, status, path)
    assert.equal((await api.get('/pods', { method: 'DELETE' })).status, 405)
  })

  test('statistics and metrics tell what containers use', async () => {
    const { node, pods: known } = JSON.parse((await api.get('/stats/summary')).body)
    assert.equal(node.nodeName, 'node-1')
    assert.ok(node.cpu.usageCoreNanoSeconds > 0 && node.memory.workingSetBytes > 0)
    const talk = known.find((pod: { podRef: { name: string } }) => pod.podRef.name === 'talk')
    assert.ok(talk.containers[0].memory.workingSetBytes > 0, JSON.stringify(talk))
    assert.ok(talk.cpu.usageCoreNanoSeconds > 0)
    const resource = (await api.get('/metrics/resource')).body
    assert.match(resource, /^container_cpu_usage_seconds_total\{container="c",namespace="contract",pod="talk"\} [\d.e-]+ \d+$/m)
    assert.match(resource, /^resource_scrape_error 0$/m)
    assert.match(
      (await api.get('/metrics/cadvisor')).body,
      /^container_memory_working_set_bytes\{container="c",image="[^"]+",name="[0-9a-f]{64}"/m,
    )
    assert.match((await api.get('/metrics')).body, /^kubelet_running_pods \d+$/m)
  })

  test('a log that grows while nobody reads is not held in memory', async () => {
    const pod = pods.find(({ name }) => name === 'box')!
    const line = `2026-01-01T00:00:00.000000000Z stdout F ${'x'.repeat(1000)}\n`
    appendFileSync(pod.logPath, line.repeat(20_000))
    const { body } = await api.get('/containerLogs/contract/box/c')
    assert.equal(body.length, 20_000 * 1001)
    assert.equal((await api.get('/containerLogs/contract/box/c?tailLines=3')).body.length, 3 * 1001)
  })
})
