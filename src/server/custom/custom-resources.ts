// Serves custom resources: follows the definitions, grants their names, registers what is established at once, and empties what is deleted.
// What is served follows from the definitions' stored status alone, so a restart serves the same.
import { isConditionTrue } from '#api/conditions.ts'
import { customKind, customKinds } from '#api/custom/custom-kind.ts'
import { equal } from '#api/equal.ts'
import type { Kind } from '#api/kind.ts'
import { CLEANUP_FINALIZER, CustomResourceDefinition, setCondition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { ignoreNotFound } from '#api/status.ts'
import { formatTime } from '#lib/clock.ts'
import { nextTurn } from '#lib/paced.ts'
import type { Engine } from '#server/engine/engine.ts'
import { LargeReads } from '#server/engine/large-reads.ts'
import { ConversionMetrics } from './conversion-metrics.ts'
import type { Outgoing } from '#server/outgoing/outgoing.ts'
import type { Conversion, StoredResource } from '#server/registry.ts'
import type { ObjectReader, ObjectWriter } from '#server/request.ts'
import { emptyResource } from './empty-resource.ts'
import { type Holder, holderOf, withNames } from './names.ts'
import { WebhookConversion } from './webhook-conversion.ts'

export interface CustomResourcesContext {
  engine: Engine
  reader: ObjectReader
  writer: ObjectWriter
  outgoing: Outgoing
}

interface Served {
  definition: CustomResourceDefinition
  kinds: Kind<any>[]
}

const RETRY_MS = 1000
/** What is not gone by then has finalizers that somebody else has to take away. */
const DELETION_MS = 60_000
const STILL_THERE = 'could not confirm zero CustomResources remaining: timed out waiting for the condition'

export class CustomResources {
  readonly #engine: Engine
  readonly #reader: ObjectReader
  readonly #writer: ObjectWriter
  readonly #outgoing: Outgoing
  readonly metrics = new ConversionMetrics()
  readonly #holders = new Map<string, Holder>()
  readonly #served = new Map<string, Served>()
  /** Definitions whose status is being written; the last word counts. */
  readonly #writing = new Map<string, Promise<void>>()
  readonly #emptying = new Set<string>()
  #signal: AbortSignal | undefined

  constructor({ engine, reader, writer, outgoing }: CustomResourcesContext) {
    this.#outgoing = outgoing
    this.#engine = engine
    this.#reader = reader
    this.#writer = writer
  }

  /** Serves all there is before it resolves, then follows until the signal aborts. Each definition has a turn of its own: it may be large. */
  async start(signal: AbortSignal): Promise<void> {
    this.#signal = signal
    let settle = (definition: CustomResourceDefinition) => this.#hold(definition)
    let forget = ({ metadata }: CustomResourceDefinition): void => void this.#holders.delete(metadata?.name ?? '')
    const following = this.#reader.onChange(CustomResourceDefinition, ({ object, previous }) => {
      if (object) settle(object)
      else if (previous) forget(previous)
    })
    signal.addEventListener('abort', () => following[Symbol.dispose](), { once: true })
    await this.#eachPresent((definition) => this.#hold(definition))
    // Whose names they are is known of all of them by now.
    settle = (definition) => this.#settle(definition)
    forget = (definition) => this.#forget(definition)
    await this.#eachPresent((definition) => this.#settle(definition))
  }

  async #eachPresent(act: (definition: CustomResourceDefinition) => void): Promise<void> {
    for (const { metadata } of this.#reader.list(CustomResourceDefinition)) {
      const present = this.#reader.get(CustomResourceDefinition, { name: metadata?.name ?? '' })
      if (present) act(present)
      await nextTurn()
    }
  }

  #hold(definition: CustomResourceDefinition): void {
    this.#holders.set(definition.metadata?.name ?? '', holderOf(definition))
  }

  #settle(definition: CustomResourceDefinition): void {
    const { name = '', deletionTimestamp, finalizers } = definition.metadata ?? {}
    this.#hold(definition)
    this.#serve(definition)
    if (deletionTimestamp) {
      if (finalizers?.includes(CLEANUP_FINALIZER)) void this.#empty(name)
      return
    }
    if (!equal(this.#named(definition).status, definition.status)) this.#write(name)
  }

  #named(definition: CustomResourceDefinition): CustomResourceDefinition {
    return withNames(definition, this.#holders.values(), formatTime(this.#engine.clock.now()))
  }

  /** One after the other for each definition; what is written follows from what is there by then. */
  #write(name: string): void {
    const before = this.#writing.get(name) ?? Promise.resolve()
    const writing = before.then(() =>
      this.#trying(name, async () => {
        const change = (definition: CustomResourceDefinition) => {
          definition.status = this.#named(definition).status!
        }
        await this.#writer.modify(CustomResourceDefinition, { name }, change, { subresource: 'status' }).catch(ignoreNotFound)
      }),
    )
    this.#writing.set(name, writing)
    void writing.then(() => {
      if (this.#writing.get(name) === writing) this.#writing.delete(name)
    })
  }

  async #trying(name: string, act: () => Promise<void>): Promise<void> {
    while (!this.#signal?.aborted) {
      try {
        return await act()
      } catch (error) {
        if (this.#signal?.aborted) return
        this.#engine.log.error('cannot settle a custom resource definition', { name, error })
        await new Promise<void>((resolve) => void this.#engine.clock.after(RETRY_MS, resolve))
      }
    }
  }

  #serve(definition: CustomResourceDefinition): void {
    const { metadata, status } = definition
    const name = metadata?.name ?? ''
    const isTerminating = () => this.#reader.get(CustomResourceDefinition, { name })?.metadata?.deletionTimestamp !== undefined
    const established = isConditionTrue(status?.conditions, 'Established')
    const before = this.#served.get(name)
    if (!established) return this.#withdraw(name, [])
    if (before && isMadeAlike(before.definition, definition)) return
    const { registry, log } = this.#engine
    let kinds: Kind<any>[] = []
    try {
      // What is built in stays what it is.
      kinds = customKinds(definition, { isTerminating }).filter((kind) =>
        isFree(registry.find(kind.group, kind.version, kind.plural)?.kind, before),
      )
    } catch (error) {
      log.error('cannot serve a custom resource definition', { name, error })
    }
    this.#withdraw(name, kinds)
    for (const kind of kinds) {
      const conversion = this.#conversion(definition)
      const large = kind.convert && new LargeReads(this.#engine.bodies, kind)
      registry.add(kind, { storageName: storageName(definition), conversion, large })
    }
    this.#served.set(name, { definition, kinds })
  }

  #conversion(definition: CustomResourceDefinition): Conversion | undefined {
    const { conversion, versions } = definition.spec
    const storage = versions.find((version) => version.storage)
    if (conversion?.strategy !== 'Webhook' || !conversion.webhook || !storage) return undefined
    return new WebhookConversion(
      {
        outgoing: this.#outgoing,
        random: this.#engine.random,
        clock: this.#engine.clock,
        metrics: this.metrics,
        bodies: this.#engine.bodies,
      },
      { definition, webhook: conversion.webhook, versions: versions.map((version) => customKind(definition, version)) },
    )
  }

  /** Of what was served under that name, what is not in `next`. */
  #withdraw(name: string, next: readonly Kind<any>[]): void {
    const { registry } = this.#engine
    for (const kind of this.#served.get(name)?.kinds ?? [])
      if (!next.some(({ version, plural }) => version === kind.version && plural === kind.plural)) registry.remove(kind)
    this.#served.delete(name)
  }

  #forget({ metadata, spec }: CustomResourceDefinition): void {
    this.#withdraw(metadata?.name ?? '', [])
    this.#holders.delete(metadata?.name ?? '')
    // Its names are free for those who wanted them too.
    for (const other of this.#reader.list(CustomResourceDefinition)) if (other.spec.group === spec.group) this.#settle(other)
  }

  async #empty(name: string): Promise<void> {
    if (this.#emptying.has(name)) return
    this.#emptying.add(name)
    await this.#trying(name, async () => {
      const definition = this.#reader.get(CustomResourceDefinition, { name })
      const storage = definition?.spec.versions.find((version) => version.storage)
      if (!definition?.metadata?.deletionTimestamp || !storage) return
      const tell = (status: 'True' | 'False', reason: string, message: string) =>
        this.#change(name, 'status', (one) =>
          setCondition(one, { type: 'Terminating', status, reason, message, lastTransitionTime: formatTime(this.#engine.clock.now()) }),
        )
      if (!isConditionTrue(definition.status?.conditions, 'Established')) {
        await tell('False', 'NeverEstablished', 'resource was never established')
        return this.#release(name)
      }
      await tell('True', 'InstanceDeletionInProgress', 'CustomResource deletion is in progress')
      const resource = this.#engine.registry.make(customKind(definition, storage), {
        storageName: storageName(definition),
      }) as StoredResource
      const late = () => void tell('True', 'InstanceDeletionCheck', STILL_THERE).catch(() => undefined)
      using _timer = this.#engine.clock.after(DELETION_MS, late)
      try {
        await emptyResource(this.#engine, resource, this.#signal!)
      } catch (error) {
        await tell('True', 'InstanceDeletionFailed', `could not issue all deletes: ${(error as Error).message}`)
        throw error
      }
      if (this.#signal!.aborted) return
      await tell('False', 'InstanceDeletionCompleted', 'removed all instances')
      await this.#release(name)
    })
    this.#emptying.delete(name)
  }

  #release(name: string): Promise<void> {
    return this.#change(name, '', ({ metadata }) => {
      metadata!.finalizers = metadata!.finalizers?.filter((one) => one !== CLEANUP_FINALIZER) ?? []
    })
  }

  async #change(name: string, subresource: string, change: (definition: CustomResourceDefinition) => void): Promise<void> {
    const options = subresource ? { subresource } : {}
    await this.#writer.modify(CustomResourceDefinition, { name }, change, options).catch(ignoreNotFound)
  }
}

/** Whether kinds of both are the same. A definition that is being deleted counts one more generation, but says what it said. */
function isMadeAlike(one: CustomResourceDefinition, other: CustomResourceDefinition): boolean {
  if (one.metadata?.uid !== other.metadata?.uid || !equal(one.status?.acceptedNames, other.status?.acceptedNames)) return false
  return one.metadata?.generation === other.metadata?.generation || equal(one.spec, other.spec)
}

function isFree(present: Kind | undefined, before: Served | undefined): boolean {
  return present === undefined || present.schema.name === undefined || before?.kinds.includes(present) === true
}

const storageName = ({ spec }: CustomResourceDefinition): string => `${spec.group}/${spec.names.plural}`
