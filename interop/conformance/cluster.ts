// What conformance tests share: a cluster in this process with controllers, scheduler and simulated nodes, met over TLS by the official client
// library; a namespace each; and the walk through the API that many of them are.
import assert from 'node:assert/strict'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { KubeConfig, KubernetesObjectApi, PatchStrategy, Watch } from '@kubernetes/client-node'
import { systemClock } from '#lib/clock.ts'
import { type ClusterOptions, startCluster } from '#main/testing.ts'

export type Json = Record<string, any>

/** Forms of patches. */
export const merge = 'application/merge-patch+json'
export const strategic = 'application/strategic-merge-patch+json'

/** Images as upstream's tests name them: of a workload, and of its next version. Nobody pulls them. */
export const OLD = 'registry.k8s.io/e2e-test-images/httpd:2.4.38-4'
export const NEW = 'registry.k8s.io/e2e-test-images/agnhost:2.55'

export interface Answered {
  code: number
  type: string
  text: string
  body: Json
  headers: Record<string, string | string[] | undefined>
}

export interface Asking {
  body?: unknown
  type?: string
  accept?: string
  headers?: Record<string, string>
}

export interface Watched extends Disposable {
  readonly events: { type: string; object: Json }[]
  /** Why no more events come. */
  failed(): unknown
  /** Resolves once the events told so far are of these types (bookmarks apart), or satisfy `check`. */
  until(check: readonly string[] | ((events: { type: string; object: Json }[]) => boolean)): Promise<void>
}

export type Suite = Awaited<ReturnType<typeof startSuite>>

const PATIENCE_MS = 300_000

export async function startSuite(options: ClusterOptions = {}) {
  const cluster = await startCluster({ nodes: 2, ...options })
  const kubeconfig = new KubeConfig()
  kubeconfig.loadFromString(cluster.kubeconfig())
  const objects = KubernetesObjectApi.makeApiClient(kubeconfig)
  let serial = 0

  const ask = async (
    method: string,
    path: string,
    { body, type = 'application/json', accept, headers }: Asking = {},
  ): Promise<Answered> => {
    const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    const own: RequestOptions = {
      method,
      headers: { ...(accept ? { accept } : {}), ...(bytes ? { 'content-type': type, 'content-length': bytes.length } : {}), ...headers },
    }
    await kubeconfig.applyToHTTPSOptions(own as any)
    return new Promise((resolve, reject) => {
      const sent = httpsRequest(`${cluster.url}${path}`, own, (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString()
          resolve({
            code: answer.statusCode!,
            type: answer.headers['content-type'] ?? '',
            text,
            body: parsed(text),
            headers: answer.headers,
          })
        })
      })
      sent.on('error', reject)
      sent.end(bytes)
    })
  }
  const ok = async (method: string, path: string, asking: Asking = {}): Promise<Json> => {
    const answer = await ask(method, path, asking)
    assert.ok(answer.code < 300, `${method} ${path}: ${answer.text}`)
    return answer.body
  }

  async function eventually<T>(what: string, check: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
    const deadline = systemClock.monotonic() + PATIENCE_MS
    let last: unknown
    for (;;) {
      const result = await (async () => check())().catch((error: unknown) => void (last = error))
      if (result) return result as T
      if (systemClock.monotonic() > deadline) throw new Error(`${what} did not come about`, { cause: last })
      await systemClock.sleep(20)
    }
  }

  /** Begins at once: what is done after this resolves is told. */
  const watch = async (path: string, query: Record<string, string> = {}): Promise<Watched> => {
    const events: { type: string; object: Json }[] = []
    let failed: unknown
    // Left to itself it gives up a watch that has told nothing for half a minute.
    const patient = new Watch(kubeconfig)
    Object.assign(patient, { requestTimeoutMs: PATIENCE_MS })
    const stop = await patient.watch(
      path,
      query,
      (type, object) => void (type === 'BOOKMARK' || events.push({ type, object })),
      (error) => (failed = error),
    )
    return {
      events,
      failed: () => failed,
      async until(wanted) {
        const check = typeof wanted === 'function' ? wanted : (told: typeof events) => told.map(({ type }) => type).join() === wanted.join()
        await eventually(`events ${typeof wanted === 'function' ? '' : wanted.join()}, of ${path}`, () => check(events)).catch(
          (cause: unknown) => {
            throw new Error(
              `${String(cause)}: told were ${events.map(({ type, object }) => `${type} ${object.metadata?.name}`).join(', ')} ${failed ?? ''}`,
            )
          },
        )
      },
      [Symbol.dispose]: () => stop.abort(),
    }
  }

  /** A namespace as the test framework makes it: with its service account and root certificate. */
  const namespace = async (labels: Record<string, string> = {}): Promise<string> => {
    const name = `e2e-${++serial}-${Math.trunc(systemClock.now()).toString(36)}`
    await ok('POST', '/api/v1/namespaces', { body: { metadata: { name, labels: { 'e2e-framework': 'sampan', ...labels } } } })
    await eventually('the default service account', () => found(`/api/v1/namespaces/${name}/serviceaccounts/default`))
    await eventually('the root certificate', () => found(`/api/v1/namespaces/${name}/configmaps/kube-root-ca.crt`))
    return name
  }
  const found = async (path: string): Promise<Json | undefined> => {
    const { code, body } = await ask('GET', path)
    return code === 200 ? body : undefined
  }
  /** Read, changed and put back; again if somebody else wrote meanwhile, as a controller may. */
  const updated = (path: string, change: (object: Json) => void): Promise<Json> =>
    eventually(`an update of ${path}`, async () => {
      const object = await ok('GET', path)
      change(object)
      const { code, body, text } = await ask('PUT', path, { body: object })
      assert.ok(code === 200 || code === 409, text)
      return code === 200 && body
    })
  const gone = (path: string) => eventually(`the end of ${path}`, async () => (await ask('GET', path)).code === 404)

  return {
    cluster,
    kubeconfig,
    objects,
    ask,
    ok,
    found,
    updated,
    gone,
    eventually,
    watch,
    namespace,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return {}
  }
}

export interface Walk {
  /** /api/v1 or /apis/GROUP/VERSION. */
  root: string
  plural: string
  kind: string
  /** Absent: cluster scoped. */
  namespace?: string
  make(name: string): Json
  /** Merge patch, and whether the object shows it. */
  change: Json
  shows(object: Json): unknown
  /** Has a status that may be patched with this. */
  status?: Json
  /** Collections of it may be deleted (default). */
  deletesCollection?: boolean
  /** Names begin with this. */
  prefix?: string
}

/** Discovery, create, get, list here and everywhere, watch, patch, update, status, delete, and the deletion of a collection. */
export async function walkTheApi(suite: Suite, walk: Walk): Promise<void> {
  const { objects, ok, ask, watch, found, gone } = suite
  const { root, plural, kind, namespace, prefix = 'walk' } = walk
  const apiVersion = root.replace(/^\/apis?\//, '')
  const collection = namespace ? `${root}/namespaces/${namespace}/${plural}` : `${root}/${plural}`
  const labels = { 'walks-the-api': `${plural}-${namespace ?? prefix}` }
  const selector = `labelSelector=${encodeURIComponent(`walks-the-api=${labels['walks-the-api']}`)}`

  const { resources } = await ok('GET', root)
  const listed = resources.find(({ name }: Json) => name === plural)
  assert.equal(listed?.kind, kind, `${plural} in discovery`)
  if (root.startsWith('/apis/')) {
    const { groups } = await ok('GET', '/apis')
    assert.ok(groups.some(({ name }: Json) => name === apiVersion.split('/')[0]))
  }

  const make = (name: string) => {
    const { metadata, ...rest } = walk.make(`${prefix}-${name}`)
    return {
      ...rest,
      apiVersion,
      kind,
      metadata: { ...metadata, ...(namespace ? { namespace } : {}), labels: { ...metadata?.labels, ...labels } },
    }
  }
  using told = await watch(collection, { labelSelector: `walks-the-api=${labels['walks-the-api']}` })
  const created = (await objects.create(make('a') as any)) as Json
  assert.ok(created.metadata.uid && created.metadata.resourceVersion && created.metadata.creationTimestamp)
  const name = created.metadata.name as string
  await told.until((events) => events[0]?.type === 'ADDED')

  const read = (await objects.read({ apiVersion, kind, metadata: { name, ...(namespace ? { namespace } : {}) } })) as Json
  assert.equal(read.metadata.uid, created.metadata.uid)
  for (const where of namespace ? [collection, `${root}/${plural}`] : [collection]) {
    const { items, kind: list } = await ok('GET', `${where}?${selector}`)
    assert.deepEqual([list, items.map(({ metadata }: Json) => metadata.name)], [`${kind}List`, [name]])
  }

  const target = { apiVersion, kind, metadata: { name, ...(namespace ? { namespace } : {}) } }
  const patched = (await objects.patch(
    { ...target, ...walk.change, metadata: { ...target.metadata, ...walk.change.metadata } } as any,
    undefined,
    undefined,
    undefined,
    undefined,
    PatchStrategy.MergePatch,
  )) as Json
  assert.ok(walk.shows(patched), `the patch shows in ${JSON.stringify(patched)}`)
  const updated = await suite.updated(`${collection}/${name}`, ({ metadata }) => {
    metadata.annotations = { ...metadata.annotations, updated: 'yes' }
  })
  assert.equal(updated.metadata.annotations.updated, 'yes')
  assert.ok(walk.shows(updated))
  await told.until((events) => events.some(({ type, object }) => type === 'MODIFIED' && object.metadata.annotations?.updated === 'yes'))

  if (walk.status) {
    const status = `${collection}/${name}/status`
    const shown = await ok('PATCH', status, {
      type: 'application/merge-patch+json',
      body: { metadata: { annotations: { statused: 'yes' } }, status: walk.status },
    })
    for (const [field, value] of Object.entries(walk.status)) if (!Array.isArray(value)) assert.deepEqual(shown.status[field], value)
    const current = await ok('GET', status)
    assert.equal(current.metadata.uid, created.metadata.uid)
    await suite.updated(status, () => {})
  }

  await objects.delete(target as any)
  await gone(`${collection}/${name}`)
  await told.until((events) => events.at(-1)?.type === 'DELETED')
  if (walk.deletesCollection === false) return
  for (const other of ['b', 'c']) await ok('POST', collection, { body: make(other) })
  assert.equal((await ok('GET', `${collection}?${selector}`)).items.length, 2)
  await ok('DELETE', `${collection}?${selector}`)
  for (const other of ['b', 'c']) await gone(`${collection}/${walk.make(`${prefix}-${other}`).metadata.name}`)
  assert.equal((await ask('GET', `${collection}?${selector}`)).body.items.length, 0)
  assert.equal(await found(`${collection}/${name}`), undefined)
}
