// For tests: one random object's life under every verb, and what must hold after each step, looked at from outside with nothing of the server's own.
import assert from 'node:assert/strict'
import { clone, getOwn, isObject } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import { chance, graft, pick, plainObject, randomObject, shuffleMetadata, without } from '#api/kinds/random-objects.ts'
import { emptyObject } from '#api/apply/empty-object.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import type { Random } from '#lib/random.ts'
import type { MemoryResponse } from '#server/http/memory-exchange.ts'
import type { Requests } from './requests.ts'

type Json = Record<string, any>

export interface Told {
  type: string
  object: Json
}

/** What a kind's histories came to: a test that never gets anywhere must not look like one that found nothing. */
export interface Tally {
  created: number
  changed: number
  unchanged: number
  refused: number
}

const MAX_FIXES = 12
const STEPS = 9

export class History {
  readonly #t: Requests
  readonly #kind: Kind
  readonly #random: Random
  readonly #collection: string
  readonly #tally: Tally
  /** Every version a write answered with, in order: what a watch must tell. */
  readonly told: Told[] = []
  /** For a failure's message. */
  readonly steps: string[] = []
  #present: Json = {}
  #latest: number
  /** What each manager applied last. */
  readonly #applied: Record<string, Json> = {}
  /** Items that were there twice once: they were one thing then, and who owned what of them before stays so. */
  readonly #doubled = new Set<string>()

  constructor(t: Requests, kind: Kind, { random, tally, latest }: { random: Random; tally: Tally; latest: number }) {
    this.#t = t
    this.#kind = kind
    this.#random = random
    this.#tally = tally
    this.#latest = latest
    const { group, version, plural, scope } = kind
    this.#collection = `${group ? `/apis/${group}` : '/api'}/${version}/${scope === 'Namespaced' ? 'namespaces/default/' : ''}${plural}`
  }

  get latest(): number {
    return this.#latest
  }

  get #path(): string {
    return `${this.#collection}/${encodeURIComponent(this.#present['metadata'].name)}`
  }

  async run(name: string): Promise<void> {
    const created =
      (await this.#create(randomObject(this.#kind, this.#random, name))) || (await this.#create(plainObject(this.#kind, name)))
    if (!created) return
    for (let step = 0; step < STEPS; step++) await this.#step()
    await this.#delete()
  }

  async #create(object: KubeObject): Promise<boolean> {
    const sent = await this.#accepted('POST', this.#collection, object)
    if (!sent) return false
    this.#tally.created++
    const { metadata } = sent.answer
    assert.ok(Number(metadata.resourceVersion) > this.#latest, 'resourceVersion grows')
    this.#latest = Number(metadata.resourceVersion)
    assert.match(metadata.uid, /^[0-9a-f-]{36}$/)
    if (this.#kind.generationOf) assert.equal(metadata.generation, 1)
    else assert.equal(metadata.generation, undefined)
    // What every object of the kind holds is nobody's for having created one.
    this.#owned(sent.answer, sent.sent, { ...emptyObject(this.#kind.schema), metadata: undefined })
    this.#present = sent.answer
    this.told.push({ type: 'ADDED', object: sent.answer })
    await this.#read()
    return true
  }

  async #step(): Promise<void> {
    const { status } = this.#kind.subresources
    const kinds = [
      'put',
      'json',
      'merge',
      'strategic',
      'apply',
      'apply',
      'same',
      'metadata',
      'dry',
      ...(status ? ['status', 'status', 'status patch'] : []),
    ]
    const what = pick(this.#random, kinds)
    const wanted = clone(this.#present)
    const path = this.#path
    switch (what) {
      case 'put':
        graft(this.#kind, wanted as KubeObject, this.#random)
        return this.#write('PUT', path, wanted)
      case 'metadata':
        shuffleMetadata(wanted as KubeObject, this.#random)
        return this.#write('PUT', path, wanted)
      case 'dry':
        graft(this.#kind, wanted as KubeObject, this.#random)
        return this.#dry(wanted)
      case 'same':
        return this.#same()
      case 'status':
        graft(this.#kind, wanted as KubeObject, this.#random, 'status')
        if (chance(this.#random, 0.3)) graft(this.#kind, wanted as KubeObject, this.#random)
        return this.#write('PUT', `${path}/status`, wanted)
      case 'status patch':
        graft(this.#kind, wanted as KubeObject, this.#random, 'status')
        return this.#write('PATCH merge', `${path}/status`, { status: wanted['status'] })
      case 'apply': {
        const manager = pick(this.#random, ['one', 'two'])
        const applied = randomObject(this.#kind, this.#random, wanted['metadata'].name) as Json
        applied['metadata'].name = wanted['metadata'].name
        const body = { apiVersion: apiVersionOf(this.#kind), kind: this.#kind.kind, ...applied }
        return this.#write('PATCH apply', `${path}?fieldManager=${manager}&force=${chance(this.#random, 0.8)}`, body, manager)
      }
      default: {
        if (chance(this.#random, 0.5)) shuffleMetadata(wanted as KubeObject, this.#random)
        else graft(this.#kind, wanted as KubeObject, this.#random)
        return this.#write(`PATCH ${what}`, path, patchBetween(this.#present, wanted, what))
      }
    }
  }

  async #write(method: string, path: string, body: unknown, applier?: string): Promise<void> {
    const sent = await this.#accepted(method, path, body)
    if (!sent) return
    const { answer } = sent
    if (applier) this.#applied[applier] = sent.sent
    const before = this.#present
    const [old, now] = [before['metadata'], answer['metadata']]
    for (const field of ['uid', 'creationTimestamp', 'name', 'namespace']) assert.equal(now[field], old[field], `${field} stays`)
    if (equal(answer, before)) this.#tally.unchanged++
    else {
      this.#tally.changed++
      assert.ok(Number(now.resourceVersion) > this.#latest, 'resourceVersion grows with a change')
      const but = (object: Json) => ({ ...object, metadata: { ...object['metadata'], resourceVersion: '' } })
      assert.ok(!equal(but(answer), but(before)), 'a write that changes nothing writes nothing')
      this.#latest = Number(now.resourceVersion)
      this.told.push({ type: 'MODIFIED', object: answer })
    }
    this.#generation(path, before, answer)
    this.#isolated(path, before, answer)
    if (isObject(sent.sent) && !method.startsWith('PATCH j')) this.#owned(answer, sent.sent, method === 'PATCH apply' ? {} : before, path)
    this.#present = answer
    await this.#read()
  }

  /** Asks for it until it is done, leaving out what is refused; undefined where nothing helps. */
  async #accepted(method: string, path: string, body: unknown): Promise<{ answer: Json; sent: Json } | undefined> {
    let wanted = body as Json
    for (let attempt = 0; attempt < MAX_FIXES; attempt++) {
      const response = await this.#send(method, path, wanted)
      if (response.status < 300) return { answer: response.json, sent: wanted }
      this.#tally.refused++
      if (response.status !== 422 || method === 'PATCH json') return undefined
      let fixed: Json = wanted
      for (const { field } of response.json.details?.causes ?? [])
        fixed = (without(fixed as KubeObject, field) as Json | undefined) ?? fixed
      if (equal(fixed, wanted)) return undefined
      wanted = fixed
    }
    return undefined
  }

  async #send(method: string, path: string, body?: unknown): Promise<MemoryResponse> {
    this.steps.push(`${method} ${path} ${body === undefined ? '' : JSON.stringify(body)}`)
    const response = await this.#t.send(method, path, body)
    // Upstream has no reason, and code 500, for configurations and patches that are none.
    const unreasoned = /failed to create typed patch object|does not contain declared merge key/.test(response.text)
    assert.ok(
      (unreasoned && method.startsWith('PATCH')) || (response.status >= 200 && response.status < 500),
      `${response.status} ${response.text}`,
    )
    return response
  }

  async #read(): Promise<void> {
    const { json } = await this.#t.send('GET', this.#path)
    assert.deepEqual(json, this.#present, 'what is read is what the write answered')
  }

  async #same(): Promise<void> {
    const kind = this.#kind
    const forms: [method: string, path: string, body: unknown][] = [
      ['PUT', this.#path, this.#present],
      ['PATCH merge', this.#path, {}],
      ['PATCH json', this.#path, []],
      ...(kind.subresources.status ? ([['PUT', `${this.#path}/status`, this.#present]] as [string, string, unknown][]) : []),
    ]
    for (const [method, path, body] of forms) {
      const { status, json } = await this.#send(method, path, body)
      const causes: Json[] = json.details?.causes ?? []
      if (status === 422 && causes.length > 0 && causes.every(({ field }) => isLookedAtLater(this.#kind.kind, String(field)))) continue
      assert.equal(status, 200, `${method} of the same: ${JSON.stringify(json)}`)
      assert.deepEqual(json, this.#present, `${method} of the same changes nothing`)
    }
    this.#tally.unchanged++
  }

  async #dry(wanted: Json): Promise<void> {
    await this.#send('PUT', `${this.#path}?dryRun=All`, wanted)
    await this.#send('DELETE', `${this.#path}?dryRun=All`)
    await this.#read()
  }

  async #delete(): Promise<void> {
    if (this.#present['metadata'].finalizers) await this.#write('PATCH merge', this.#path, { metadata: { finalizers: null } })
    const { status, json } = await this.#send('DELETE', `${this.#path}?gracePeriodSeconds=0&propagationPolicy=Background`)
    assert.ok(status === 200 || status === 202, JSON.stringify(json))
    if (status === 202 || json.kind === this.#kind.kind) {
      const { status: left, json: rest } = await this.#t.send('GET', this.#path)
      // Finalizers of the server's own: a namespace's, a definition's.
      if (left === 200) this.told.push({ type: 'MODIFIED', object: rest })
      if (left === 200) return
    }
    const { status: gone } = await this.#t.send('GET', this.#path)
    assert.equal(gone, 404)
    this.told.push({ type: 'DELETED', object: this.#present })
  }

  /** Only what is wanted counts, and counts once. */
  #generation(path: string, before: Json, after: Json): void {
    const [old, now] = [before['metadata'].generation, after['metadata'].generation]
    if (!this.#kind.generationOf) return assert.equal(now, undefined)
    const wanted = ({ metadata: _m, status: _s, ...rest }: Json) => rest
    const same = equal(wanted(before), wanted(after))
    // A deployment's annotations go on to its replica sets; the labels of a slice say whose endpoints they are.
    const counts = ({ Deployment: 'annotations', EndpointSlice: 'labels' } as Record<string, string>)[this.#kind.kind] ?? ''
    const annotated = !equal(before['metadata'][counts], after['metadata'][counts])
    if (path.includes('/status') || (same && !annotated)) assert.equal(now, old, 'generation stays')
    else if (before['spec'] !== undefined) assert.equal(now, old + 1, 'generation moves with the spec')
  }

  #isolated(path: string, before: Json, after: Json): void {
    if (!this.#kind.subresources.status) return
    if (!path.includes('/status')) return assert.deepEqual(after['status'], before['status'], 'status stays')
    const rest = ({ metadata: _m, status: _s, ...others }: Json) => others
    assert.deepEqual(rest(after), rest(before), 'all but the status stays')
  }

  /** managedFields sum to the object: they name nothing that is not there, and whatever a request brought in is named. */
  #owned(answer: Json, sent: Json, before: Json, path = ''): void {
    const entries: Json[] = answer['metadata'].managedFields ?? []
    const leaves = [...leavesOf(this.#kind.schema, answer)]
    for (const steps of leaves) if (steps.at(-1)!.startsWith('k:')) this.#doubled.add(steps.join(' '))
    const below = (steps: string[]) => steps.some((_, length) => this.#doubled.has(steps.slice(0, length).join(' ')))
    const owned = new Set<string>()
    for (const { manager, fieldsV1 } of entries) {
      for (const steps of membersOf(fieldsV1)) {
        owned.add(steps.join(' '))
        // Who applies owns what it said, even where that was nothing: false, or a list without items.
        const places = [valueAt(answer, steps), valueAt(this.#applied[manager], steps)]
        const silent = (SILENT[this.#kind.kind] ?? []).some((taken) => taken.every((element, at) => steps[at] === element))
        assert.ok(
          places.some((value) => value !== undefined) || silent || isContainer(schemaAt(this.#kind.schema, steps)) || below(steps),
          `${manager} owns ${steps.join(' ')}, which is not there`,
        )
      }
    }
    // Of an object that nobody owns a field of, nobody comes to own one but by applying.
    if (before['metadata'] && !before['metadata'].managedFields) return
    const status = path.includes('/status')
    for (const steps of leaves) {
      if (below(steps)) continue
      const [root, field] = steps
      if (root === 'f:apiVersion' || root === 'f:kind' || NEVER_OWNED.has(`${root} ${field}`)) continue
      if (this.#kind.subresources.status && status !== (root === 'f:status')) continue
      const value = valueAt(answer, steps)
      if (!equal(valueAt(sent, steps), value) || equal(valueAt(before, steps), value)) continue
      assert.ok(owned.has(steps.join(' ')), `${steps.join(' ')} was brought, and belongs to nobody`)
    }
  }
}

function schemaAt(schema: Schema | undefined, path: readonly string[]): Schema | undefined {
  const [element, ...rest] = path
  if (element === undefined || !schema) return schema
  if (!element.startsWith('f:')) return schemaAt(schema.items, rest)
  const member = (schema.properties && getOwn(schema.properties, element.slice(2))) ?? schema.additionalProperties
  return schemaAt(member as Schema | undefined, rest)
}

/** Whoever owns one keeps it when an apply takes the last member out, and with it the container: what is left of it is nothing. */
function isContainer(schema: Schema | undefined): boolean {
  if (!schema || schema.mapType === 'atomic') return false
  return (
    schema.properties !== undefined || schema.additionalProperties !== undefined || schema.listType === 'map' || schema.listType === 'set'
  )
}

/** What a strategy takes back without a word, after ownership was settled; upstream the same. */
const SILENT: Record<string, readonly (readonly string[])[]> = {
  CertificateSigningRequest: [['f:spec']],
  StatefulSet: [['f:spec', 'f:updateStrategy', 'f:rollingUpdate', 'f:maxUnavailable']],
}

/** What a write lets in and the next one refuses: not looked at when the status is written, or at creation; upstream the same. */
const LOOKED_AT_LATER: Record<string, readonly string[]> = {
  Node: ['metadata.nodeSwapStatus.capacity', 'spec.configSource', 'status.config'],
}
const isLookedAtLater = (kind: string, field: string): boolean =>
  (LOOKED_AT_LATER[kind] ?? []).some((begin) => field === begin || field.startsWith(`${begin}.`))

const NEVER_OWNED = new Set(
  ['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'generation', 'managedFields', 'resourceVersion'].map(
    (field) => `f:metadata f:${field}`,
  ),
)

function patchBetween(before: Json, after: Json, type: string): unknown {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((field) => !equal(before[field], after[field]))
  if (type === 'json')
    return changed.map((field) =>
      field in after ? { op: 'add', path: `/${field}`, value: after[field] } : { op: 'remove', path: `/${field}` },
    )
  return Object.fromEntries(changed.map((field) => [field, after[field] ?? null]))
}

function* membersOf(fields: Json, prefix: string[] = []): Generator<string[]> {
  for (const [element, below] of Object.entries(fields as Record<string, Json>)) {
    if (element === '.') continue
    const path = [...prefix, element]
    const names = Object.keys(below)
    if (names.length === 0 || names.includes('.')) yield path
    yield* membersOf(below, path)
  }
}

function valueAt(object: unknown, path: readonly string[]): unknown {
  const [element, ...rest] = path
  if (element === undefined) return object
  const text = element.slice(2)
  if (element.startsWith('f:')) return isObject(object) ? valueAt(getOwn(object, text), rest) : undefined
  if (!Array.isArray(object)) return undefined
  if (element.startsWith('i:')) return valueAt(object[Number(text)], rest)
  if (element.startsWith('v:')) return object.find((item) => equal(item, JSON.parse(text)))
  const keys = Object.entries(JSON.parse(text) as Json)
  const named = (item: unknown) => isObject(item) && keys.every(([key, wanted]) => (getOwn(item, key) ?? emptyKey(key, wanted)) === wanted)
  return object
    .filter(named)
    .map((item) => valueAt(item, rest))
    .find((value) => value !== undefined)
}

const emptyKey = (key: string, wanted: unknown): unknown =>
  key === 'protocol' ? 'TCP' : typeof wanted === 'string' ? '' : typeof wanted === 'number' ? 0 : false

/** Scalars and whatever is atomic; items of sets and keyed lists by what names them. */
function* leavesOf(schema: Schema | undefined, value: unknown, prefix: string[] = []): Generator<string[]> {
  if (isObject(value) && schema?.mapType !== 'atomic' && (schema?.properties || schema?.additionalProperties)) {
    for (const [key, member] of Object.entries(value)) {
      const below = (schema.properties && getOwn(schema.properties, key)) ?? schema.additionalProperties
      yield* leavesOf(below as Schema | undefined, member, [...prefix, `f:${key}`])
    }
  } else if (Array.isArray(value) && schema?.listType === 'map') {
    const elements = (value as Json[]).map((item) => elementOf(schema.listMapKeys ?? [], item))
    for (const [index, element] of elements.entries()) {
      if (!element) continue
      // Twice the same is one thing, whatever is in it.
      if (elements.indexOf(element) !== elements.lastIndexOf(element)) yield [...prefix, element]
      else yield* leavesOf(schema.items, value[index], [...prefix, element])
    }
  } else if (Array.isArray(value) && schema?.listType === 'set') for (const item of value) yield [...prefix, `v:${JSON.stringify(item)}`]
  else if (prefix.length > 0) yield prefix
}

function elementOf(listMapKeys: readonly string[], item: Json): string | undefined {
  const keys = listMapKeys.toSorted().filter((key) => item[key] !== undefined)
  if (keys.length < listMapKeys.length) return undefined
  return `k:{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(item[key])}`).join(',')}}`
}
