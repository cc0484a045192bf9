// How simulated nodes of one process get along with those of others in the same cluster: names are held by a Lease while the process lives, and ranges
// of pods that somebody has are not taken twice. Whoever is refused hears by which name.
import { equal } from '#api/equal.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { type Clock, formatMicroTime } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { MOST_SUBNETS, subnetOf } from './addresses.ts'

const NAMESPACE = 'kube-system'
const RENEW_MS = 8000
/** Whoever has not renewed for so long is gone. */
const PATIENCE_MS = 20_000
const LOOK_MS = 500

export interface NamesOptions {
  client: Client
  clock: Clock
  log: Logger
  namePrefix: string
  /** Distinct for every process. */
  identity: string
  /** Whether the process of that identity is known to be dead. */
  isGone(identity: string): boolean
  /** Who was held up for longer than others are patient has lost the names to one of them. Said once. */
  onLost(holder: string): void
}

/** Holds the names until it is disposed or they are lost. Throws where another process that lives has them. */
export async function claimNames(options: NamesOptions, signal: AbortSignal): Promise<AsyncDisposable> {
  const { client, clock, log, namePrefix, identity, onLost } = options
  const key = { namespace: NAMESPACE, name: `simulated-nodes.${namePrefix}` }
  await waitUntilFree(options, key, signal)
  const hold = async (holderIdentity: string) => {
    const now = formatMicroTime(clock.now())
    const current = await client.get(Lease, key).catch(ignoreNotFound)
    const spec = { holderIdentity, leaseDurationSeconds: PATIENCE_MS / 1000, renewTime: now }
    if (!current)
      await client.create(Lease, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: key,
        spec: { ...spec, acquireTime: now },
      })
    else await client.update(Lease, { ...current, spec: { ...current.spec, ...spec } })
  }
  // Of two that begin at one moment one meets a conflict.
  await hold(identity).catch((error: unknown) => {
    throw hasReason(error, 'AlreadyExists', 'Conflict') ? taken(namePrefix, 'one that began just now') : error
  })
  let ended = false
  const end = () => {
    ended = true
    renewing[Symbol.dispose]()
  }
  const renewing = clock.every(RENEW_MS, () => {
    void (async () => {
      const current = await client.get(Lease, key).catch(ignoreNotFound)
      const holder = current?.spec?.holderIdentity
      if (ended) return
      if (!holder || holder === identity) return hold(identity)
      end()
      onLost(holder)
    })().catch((error: unknown) => log.debug('could not renew the names of simulated nodes', { error }))
  })
  return {
    async [Symbol.asyncDispose]() {
      if (ended) return
      end()
      // Given back: who comes next need not wait.
      await hold('').catch((error: unknown) => log.debug('could not give back the names of simulated nodes', { error }))
    },
  }
}

async function waitUntilFree(options: NamesOptions, key: { namespace: string; name: string }, signal: AbortSignal): Promise<void> {
  const { client, clock, namePrefix, identity, isGone } = options
  let before: Lease | undefined
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
    const current = await client.get(Lease, key).catch(ignoreNotFound)
    const holder = current?.spec?.holderIdentity
    if (!holder || holder === identity || isGone(holder)) return
    // Who labels the lease of one that is dead has not renewed it.
    if (before && !equal(before.spec, current.spec)) throw taken(namePrefix, holder)
    before = current
    await clock.sleep(LOOK_MS, signal)
  }
}

function taken(namePrefix: string, holder: string): Error {
  return new Error(`nodes named ${namePrefix}-0 and so on are simulated by another process (${holder}): choose another --name-prefix`)
}

/** The number of the first range of pods: the one that was asked for, that the nodes have, or the first that leaves room for all. */
export async function firstSubnetFor(
  names: readonly string[],
  { client, wanted }: { client: Client; wanted: number | undefined },
): Promise<number> {
  const own = new Set(names)
  const takenBy = new Map<string, string>()
  let present: string | undefined
  for (const { metadata, spec } of (await client.list(Node)).items) {
    const name = metadata!.name!
    if (own.has(name)) present = name === names[0] ? spec?.podCIDR : present
    else for (const cidr of spec?.podCIDRs ?? []) takenBy.set(cidr, name)
  }
  const clash = (first: number) => names.findIndex((_, index) => takenBy.has(subnetOf(first + index)))
  if (wanted !== undefined) {
    const at = clash(wanted)
    if (at < 0) return wanted
    const cidr = subnetOf(wanted + at)
    throw new Error(`the range ${cidr} of ${names[at]} is that of node ${takenBy.get(cidr)}: choose another --first-subnet, or none`)
  }
  const before = present === undefined ? -1 : Array.from({ length: MOST_SUBNETS }, (_, index) => subnetOf(index)).indexOf(present)
  if (before >= 0 && before + names.length <= MOST_SUBNETS && clash(before) < 0) return before
  for (let first = 0; first + names.length <= MOST_SUBNETS; first++) {
    const at = clash(first)
    if (at < 0) return first
    first += at
  }
  throw new Error(`there are no ranges of pods left for ${names.length} nodes`)
}
