// What pods take of the node's disk: their volumes of the node, their containers' own layers and logs, held against their limits.
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod } from '#api/generated/types.ts'
import { quantityValue } from '#api/quantity.ts'
import { identityOf, LABEL, podLogDirectory } from '#node/agent/identity.ts'
import { sumOfLimits } from '#node/agent/resources.ts'
import type { RuntimeView } from '#node/agent/runtime-view.ts'
import type { Volumes } from '#node/volumes/volumes.ts'
import type { Runtime } from './runtime.ts'

export interface LocalStorage {
  volumes: Pick<Volumes, 'podDirectory'>
  view: Pick<RuntimeView, 'pod'>
  runtime: Pick<Runtime, 'containerStats'>
  logDirectory: string
}

const RESOURCE = 'ephemeral-storage'

/** Each with what it has exceeded, in the kubelet's words. */
export async function podsOverLimit(pods: readonly Pod[], storage: LocalStorage): Promise<[Pod, message: string][]> {
  const limited = pods.some((pod) => sumOfLimits(pod, RESOURCE).sign > 0)
  const stats = limited ? await storage.runtime.containerStats() : []
  const layers = new Map(stats.map(({ containerId, writableLayerBytes }) => [containerId, writableLayerBytes]))
  const over: [Pod, string][] = []
  for (const pod of pods) {
    const message = (await volumeOverLimit(pod, storage)) ?? (await storageOverLimit(pod, { storage, layers }))
    if (message) over.push([pod, message])
  }
  return over
}

async function volumeOverLimit(pod: Pod, storage: LocalStorage): Promise<string | undefined> {
  for (const { name, path, sizeLimit } of diskVolumes(pod, storage)) {
    const limit = quantityValue(sizeLimit)
    if (limit > 0 && (await sizeOf(path, limit)) > limit) return `Usage of EmptyDir volume "${name}" exceeds the limit "${sizeLimit}". `
  }
  return undefined
}

async function storageOverLimit(
  pod: Pod,
  { storage, layers }: { storage: LocalStorage; layers: ReadonlyMap<string, number> },
): Promise<string | undefined> {
  const total = sumOfLimits(pod, RESOURCE)
  if (total.sign <= 0) return undefined
  const logs = podLogDirectory(storage.logDirectory, identityOf(pod))
  const used = new Map<string, number>()
  for (const { id, name, labels, state } of storage.view.pod(pod.metadata?.uid ?? '').containers) {
    const own = labels[LABEL.container] ?? name
    if (state === 'running') used.set(own, (layers.get(id) ?? 0) + (await sizeOf(join(logs, own))))
  }
  let sum = 0
  for (const bytes of used.values()) sum += bytes
  for (const { path } of diskVolumes(pod, storage)) sum += await sizeOf(path)
  if (sum > total.value()) return `Pod ephemeral local storage usage exceeds the total limit of containers ${total}. `
  for (const { name, resources } of pod.spec?.containers ?? []) {
    const limit = resources?.limits?.[RESOURCE]
    if (quantityValue(limit) > 0 && (used.get(name) ?? 0) > quantityValue(limit))
      return `Container ${name} exceeded its local ephemeral storage limit "${limit}". `
  }
  return undefined
}

function diskVolumes(pod: Pod, { volumes }: LocalStorage): { name: string; path: string; sizeLimit: string | undefined }[] {
  const directory = join(volumes.podDirectory(pod.metadata?.uid ?? ''), 'volumes', 'kubernetes.io~empty-dir')
  return (pod.spec?.volumes ?? []).flatMap(({ name, emptyDir }) =>
    emptyDir && emptyDir.medium !== 'Memory' ? [{ name, path: join(directory, name), sizeLimit: emptyDir.sizeLimit }] : [],
  )
}

/** Bytes on disk; stops counting above `enough`. Never follows a link. */
async function sizeOf(path: string, enough = Infinity): Promise<number> {
  let total = 0
  const pending = [path]
  for (let next = pending.pop(); next !== undefined && total <= enough; next = pending.pop()) {
    const found = await lstat(next).catch(() => undefined)
    if (!found) continue
    total += found.blocks * 512
    if (found.isDirectory()) for (const name of await readdir(next).catch(() => [])) pending.push(join(next, name))
  }
  return total
}
