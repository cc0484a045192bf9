// The objects of the extension server for tests: kept in memory, listed, watched, and answered for with the codes a real server has.
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'

export type Flunder = { metadata: { name: string; namespace: string; resourceVersion: string; labels?: Record<string, string> } } & Record<
  string,
  any
>

export interface Asked {
  namespace: string
  name: string
  body: any
  patch(object: object): object
  /** `name=value` or `name in (value)`. */
  label: string | null
}

export class Flunders {
  readonly #apiVersion: string
  readonly #kept = new Map<string, Flunder>()
  readonly #watchers = new Set<{ response: ServerResponse; namespace: string | undefined }>()
  #revision = 1

  constructor({ apiVersion }: { apiVersion: string }) {
    this.#apiVersion = apiVersion
  }

  watch(response: ServerResponse, namespace: string | undefined): void {
    response.writeHead(200, { 'content-type': 'application/json' })
    const watcher = { response, namespace }
    this.#watchers.add(watcher)
    response.on('close', () => this.#watchers.delete(watcher))
    for (const object of this.#of(namespace)) response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`)
    response.flushHeaders()
  }

  answer(verb: string, asked: Asked): { code: number; body: object } {
    const { namespace, name, body } = asked
    const key = `${namespace}/${name}`
    const present = this.#kept.get(key)
    const missing = { code: 404, body: failure(404, 'NotFound', `flunders.wardle.example.com "${name}" not found`) }
    switch (verb) {
      case 'get':
        return present ? { code: 200, body: present } : missing
      case 'list': {
        const items = this.#of(namespace || undefined).filter((one) => matches(one, asked.label))
        return {
          code: 200,
          body: { kind: 'FlunderList', apiVersion: this.#apiVersion, metadata: { resourceVersion: String(this.#revision) }, items },
        }
      }
      case 'create':
        return this.#create(namespace, body)
      case 'update':
        if (!present) return missing
        return { code: 200, body: this.#keep({ ...body, metadata: { ...present.metadata, ...body.metadata } }, 'MODIFIED') }
      case 'patch':
        return present ? { code: 200, body: this.#keep(asked.patch(present) as Flunder, 'MODIFIED') } : missing
      case 'delete':
        if (!present) return missing
        this.#remove(present)
        return { code: 200, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } }
      default:
        for (const one of this.#of(namespace)) if (matches(one, asked.label)) this.#remove(one)
        return { code: 200, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } }
    }
  }

  #create(namespace: string, body: Flunder): { code: number; body: object } {
    const { name } = body.metadata
    if (this.#kept.has(`${namespace}/${name}`))
      return { code: 409, body: failure(409, 'AlreadyExists', `flunders.wardle.example.com "${name}" already exists`) }
    const metadata = { ...body.metadata, namespace, uid: randomUUID(), creationTimestamp: '2026-01-01T00:00:00Z' }
    return { code: 201, body: this.#keep({ ...body, metadata }, 'ADDED') }
  }

  #of(namespace: string | undefined): Flunder[] {
    return [...this.#kept.values()].filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
  }

  #keep(object: Flunder, type: string): Flunder {
    const metadata = { ...object.metadata, resourceVersion: String(++this.#revision) }
    const kept: Flunder = { ...object, apiVersion: this.#apiVersion, kind: 'Flunder', metadata }
    this.#kept.set(`${metadata.namespace}/${metadata.name}`, kept)
    this.#tell(type, kept)
    return kept
  }

  #remove(object: Flunder): void {
    this.#kept.delete(`${object.metadata.namespace}/${object.metadata.name}`)
    this.#revision++
    this.#tell('DELETED', object)
  }

  #tell(type: string, object: Flunder): void {
    for (const { response, namespace } of this.#watchers)
      if (namespace === undefined || namespace === object.metadata.namespace) response.write(`${JSON.stringify({ type, object })}\n`)
  }
}

function matches({ metadata }: Flunder, label: string | null): boolean {
  if (!label) return true
  const [name = '', value = ''] = label.replace(/ in \((.*)\)/, '=$1').split('=')
  return metadata.labels?.[name] === value
}

const failure = (code: number, reason: string, message: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  details: { group: 'wardle.example.com', kind: 'flunders' },
  code,
})
