// The APIService objects of what this server serves itself: made for built-in groups at the start, kept for custom resources for as long as their
// definitions are there. Objects that people made under the same names stay theirs.
import { equal } from '#api/equal.ts'
import { CUSTOM_GROUP_PRIORITY, CUSTOM_VERSION_PRIORITY, groupPriority, versionPriority } from '#api/facts/groups.ts'
import type { APIServiceSpec } from '#api/generated/types.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Logger } from '#lib/log.ts'
import { Pace } from '#lib/paced.ts'
import { Following } from '#server/following.ts'
import type { ObjectReader, ObjectWriter } from '#server/request.ts'

export const AUTOMANAGED = 'kube-aggregator.kubernetes.io/automanaged'
type Managed = 'onstart' | 'true'
/** Of those there are at the start: definitions may be large. */
const DEFINITIONS_PER_TURN = 10
const SERVICES_PER_TURN = 100

export interface GroupVersion {
  group: string
  version: string
}

export interface AutomanagedContext {
  reader: ObjectReader
  writer: ObjectWriter
  log: Logger
  /** Group versions served from the start. */
  builtin: readonly GroupVersion[]
}

const apiServiceName = ({ group, version }: GroupVersion): string => `${version}.${group}`

export class Automanaged {
  readonly #context: AutomanagedContext
  /** Names being settled; one after the other, and once more when something changed meanwhile. */
  readonly #settling = new Map<string, Promise<void>>()
  /** How many definitions serve something of a group and version, by the name of its API service. */
  readonly #serving = new Map<string, number>()

  constructor(context: AutomanagedContext) {
    this.#context = context
  }

  /** Resolves when all there should be is there; goes on until the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const { reader, builtin } = this.#context
    /** Until all definitions are known. */
    let waiting: Set<string> | undefined = new Set<string>()
    const settle = (name: string) => (waiting ? waiting.add(name) : this.#settle(name))
    const definitions = new Following<CustomResourceDefinition>(reader, {
      kind: CustomResourceDefinition,
      tell: ({ object, previous }) => {
        this.#count(object, 1)
        this.#count(previous, -1)
        for (const name of new Set([...namesOf(object), ...namesOf(previous)])) settle(name)
      },
    })
    const services = new Following<APIService>(reader, {
      kind: APIService,
      tell: ({ object, previous }) => {
        const { metadata } = object ?? previous ?? {}
        if (metadata?.labels?.[AUTOMANAGED] === 'true') settle(metadata.name ?? '')
      },
    })
    signal.addEventListener('abort', () => [definitions, services].forEach((one) => one[Symbol.dispose]()), { once: true })
    await definitions.load(DEFINITIONS_PER_TURN)
    await services.load(SERVICES_PER_TURN)
    const names = waiting
    waiting = undefined
    const settling = builtin.map((one) => this.#atStart(one))
    const pace = new Pace(SERVICES_PER_TURN)
    for (const name of names) {
      settling.push(this.#settle(name))
      await pace.after(1)
    }
    await Promise.all(settling)
  }

  #count(definition: CustomResourceDefinition | undefined, step: 1 | -1): void {
    for (const name of namesOf(definition, { served: true })) {
      const count = (this.#serving.get(name) ?? 0) + step
      if (count > 0) this.#serving.set(name, count)
      else this.#serving.delete(name)
    }
  }

  async #atStart(groupVersion: GroupVersion): Promise<void> {
    await this.#ensure(apiServiceName(groupVersion), specOf(groupVersion), 'onstart')
  }

  #settle(name: string): Promise<void> {
    const before = this.#settling.get(name) ?? Promise.resolve()
    const settling = before.then(() => this.#ensure(name, this.#wanted(name), 'true'))
    this.#settling.set(name, settling)
    return settling.finally(() => {
      if (this.#settling.get(name) === settling) this.#settling.delete(name)
    })
  }

  /** What custom resources need under that name. */
  #wanted(name: string): APIServiceSpec | undefined {
    if (!this.#serving.has(name)) return undefined
    const at = name.indexOf('.')
    const [version, group] = [name.slice(0, at), name.slice(at + 1)]
    return { group, version, groupPriorityMinimum: CUSTOM_GROUP_PRIORITY, versionPriority: CUSTOM_VERSION_PRIORITY }
  }

  async #ensure(name: string, spec: APIServiceSpec | undefined, managed: Managed): Promise<void> {
    const { reader, writer, log } = this.#context
    const present = reader.get(APIService, { name })
    const own = present?.metadata?.labels?.[AUTOMANAGED] === managed
    try {
      if (!present && spec) await writer.create(APIService, { metadata: { name, labels: { [AUTOMANAGED]: managed } }, spec })
      else if (present && own && !spec) await writer.delete(APIService, { name }).catch(ignoreNotFound)
      // What was given to a service since is its business: a metrics server takes the place of ours.
      else if (present && own && spec && !present.spec?.service && !equal(present.spec, spec))
        await writer.modify(APIService, { name }, (one) => void (one.spec = spec)).catch(ignoreNotFound)
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) log.error('cannot register an API service', { name, error })
    }
  }
}

function specOf({ group, version }: GroupVersion): APIServiceSpec {
  const spec = { version, groupPriorityMinimum: groupPriority(group), versionPriority: versionPriority(group, version) }
  return group ? { group, ...spec } : spec
}

function namesOf(definition: CustomResourceDefinition | undefined, { served = false } = {}): string[] {
  const { group = '', versions = [] } = definition?.spec ?? {}
  return versions.filter((one) => one.served || !served).map(({ name }) => apiServiceName({ group, version: name }))
}
