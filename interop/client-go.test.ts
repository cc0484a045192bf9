// A program built on client-go of v1.37, later than this server, with Helm inside (an MCP server: its tools are called over its standard input) against
// simulated nodes: discovery, tables, server-side apply, definitions, scale, metrics, charts.
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { fetchGoClient } from './clients/pinned.ts'
import { eventually, Instance, root } from './instance.ts'

const { program, skip } = await fetchGoClient()
const DEFINITION = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: boats, kind: Boat}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {sails: {type: integer}}}}}}
    additionalPrinterColumns: [{name: Sails, type: integer, jsonPath: .spec.sails}]
`
const WORKLOAD = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "web:1", resources: {requests: {cpu: 100m, memory: 64Mi}}}]}
`

interface Answer {
  text: string
  isError: boolean
}

class Session implements Disposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: any) => void>()
  #asked = 0

  constructor(child: ChildProcess) {
    this.#child = child
    child.stderr!.resume()
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const { id, result, error } = JSON.parse(line)
      this.#waiting.get(id)?.(result ?? { isError: true, content: [{ text: error?.message }] })
    })
  }

  async begin(): Promise<void> {
    await this.#ask('initialize', { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'test', version: '1' } })
    this.#tell({ method: 'notifications/initialized' })
  }

  async call(name: string, args: object = {}): Promise<Answer> {
    const { content, isError = false } = await this.#ask('tools/call', { name, arguments: args })
    return { text: content.map(({ text }: { text: string }) => text).join('\n'), isError }
  }

  async ok(name: string, args: object = {}): Promise<string> {
    const { text, isError } = await this.call(name, args)
    assert.equal(isError, false, `${name}: ${text}`)
    return text
  }

  #ask(method: string, params: object): Promise<any> {
    const id = ++this.#asked
    this.#tell({ id, method, params })
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  #tell(message: object): void {
    this.#child.stdin!.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  }

  [Symbol.dispose](): void {
    this.#child.stdin!.end()
    this.#child.kill()
  }
}

let cluster: Instance
let session: Session

before(async () => {
  if (skip) return
  cluster = await Instance.start({ nodes: 'simulated:2', args: ['--store', 'memory'] })
  const words = [program, '--kubeconfig', cluster.kubeconfig, '--toolsets', 'core,config,helm', '--log-file', '/dev/null']
  session = new Session(cluster.spawnInside(words))
  await session.begin()
})
after(async () => {
  session?.[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
})

test('client-go of v1.37 applies, lists as tables, scales and deletes', { skip }, async () => {
  const made = await session.ok('resources_create_or_update', { resource: WORKLOAD })
  assert.match(made, /operation: Apply/)
  const ready = async () => /web +2\/2 +2 +2/.test(await session.ok('resources_list', { apiVersion: 'apps/v1', kind: 'Deployment' }))
  await eventually(ready, { what: 'a ready deployment' })
  const pods = await session.ok('pods_list_in_namespace', { namespace: 'default', labelSelector: 'app=web' })
  assert.equal(pods.match(/web-\S+ +1\/1 +Running/g)?.length, 2, pods)
  const key = { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'default', name: 'web' }
  assert.match(await session.ok('resources_scale', { ...key, scale: 3 }), /kind: Scale[\s\S]*spec:\n +replicas: 3/)
  const scaled = async () => /Scaled up replica set web-\w+ from 2 to 3/.test(await session.ok('events_list', { namespace: 'default' }))
  await eventually(scaled, { what: 'the event of it' })
  await session.ok('resources_delete', key)
  const { text, isError } = await session.call('resources_get', key)
  assert.equal(isError, true)
  assert.match(text, /deployments.apps "web" not found/)
})

test('client-go of v1.37 finds a definition as soon as it is made', { skip }, async () => {
  await session.ok('resources_create_or_update', { resource: DEFINITION })
  const resource = 'apiVersion: example.com/v1\nkind: Boat\nmetadata: {name: junk, namespace: default}\nspec: {sails: 3}'
  await eventually(async () => !(await session.call('resources_create_or_update', { resource })).isError, { what: 'a boat' })
  assert.match(await session.ok('resources_list', { apiVersion: 'example.com/v1', kind: 'Boat' }), /junk +3/)
})

test('client-go of v1.37 reads the metrics', { skip }, async () => {
  await eventually(async () => /simulated-0 +\d+m +\d+%/.test((await session.call('nodes_top')).text), { what: 'metrics of nodes' })
})

test('Helm 3.22 installs a chart and takes it away', { skip }, async () => {
  const release = { name: 'dock', namespace: 'default' }
  assert.match(await session.ok('helm_install', { ...release, chart: join(root, 'interop/charts/harbour') }), /status: deployed/)
  assert.match(await session.ok('helm_list', { all_namespaces: true }), /name: dock/)
  await session.ok('helm_uninstall', release)
})
