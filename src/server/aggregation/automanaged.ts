// The APIService objects of what this server serves itself: made for built-in groups at the start, kept for custom resources for as long as their
// definitions are there. Objects that people made under the same names stay theirs.
import { equal } from '#api/equal.ts'
import { CUSTOM_GROUP_PRIORITY, CUSTOM_VERSION_PRIORITY, groupPriority, versionPriority } from '#api/facts/groups.ts'
import type { APIServiceSpec } from '#api/generated/types.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Logger } from '#lib/log.ts'
import type { ObjectReader, ObjectWriter } from '#server/request.ts'

export const AUTOMANAGED = 'kube-aggregator.kubernetes.io/automanaged'
type Managed = 'onstart' | 'true'

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

  constructor(context: AutomanagedContext) {
    this.#context = context
  }

  /** Resolves when all there should be is there; goes on until the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const { reader, builtin } = this.#context
    const following = [
      reader.onChange(CustomResourceDefinition, ({ object, previous }) => {
        for (const name of new Set([...namesOf(object), ...namesOf(previous)])) this.#settle(name, 'true')
      }),
      reader.onChange(APIService, ({ object, previous }) => {
        const { metadata } = object ?? previous ?? {}
        if (metadata?.labels?.[AUTOMANAGED] === 'true') this.#settle(metadata.name ?? '', 'true')
      }),
    ]
    signal.addEventListener('abort', () => following.forEach((one) => one[Symbol.dispose]()), { once: true })
    const names = new Set<string>()
    for (const definition of reader.list(CustomResourceDefinition)) for (const name of namesOf(definition)) names.add(name)
    for (const { metadata } of reader.list(APIService)) if (metadata?.labels?.[AUTOMANAGED] === 'true') names.add(metadata.name ?? '')
    await Promise.all([...builtin.map((one) => this.#atStart(one)), ...[...names].map((name) => this.#settle(name, 'true'))])
  }

  async #atStart(groupVersion: GroupVersion): Promise<void> {
    await this.#ensure(apiServiceName(groupVersion), specOf(groupVersion), 'onstart')
  }

  #settle(name: string, managed: Managed): Promise<void> {
    const before = this.#settling.get(name) ?? Promise.resolve()
    const settling = before.then(() => this.#ensure(name, this.#wanted(name), managed))
    this.#settling.set(name, settling)
    return settling.finally(() => {
      if (this.#settling.get(name) === settling) this.#settling.delete(name)
    })
  }

  /** What custom resources need under that name. */
  #wanted(name: string): APIServiceSpec | undefined {
    const at = name.indexOf('.')
    const [version, group] = [name.slice(0, at), name.slice(at + 1)]
    for (const { spec } of this.#context.reader.list(CustomResourceDefinition))
      if (spec.group === group && spec.versions.some((one) => one.served && one.name === version))
        return { group, version, groupPriorityMinimum: CUSTOM_GROUP_PRIORITY, versionPriority: CUSTOM_VERSION_PRIORITY }
    return undefined
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

function namesOf(definition: CustomResourceDefinition | undefined): string[] {
  const { group = '', versions = [] } = definition?.spec ?? {}
  return versions.map(({ name }) => apiServiceName({ group, version: name }))
}
