// A pod's volumes on the node: made before its containers, kept current while it runs, unmounted and removed when it is gone.
// Attachable storage is not handled here: what a node cannot mount it refuses by name.
import { createHash } from 'node:crypto'
import { chmod, chown, lchown, lstat, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container as ContainerSpec, Pod, Volume, VolumeMount } from '#api/generated/types.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { quantityValue } from '#api/quantity.ts'
import type { Client } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import { type Random, randomSuffix } from '#lib/random.ts'
import type { ReadObject } from '#node/agent/environment.ts'
import { expand } from '#node/agent/expansion.ts'
import { type Payload, writeAtomically } from './atomic-writer.ts'
import { hostPath } from './host-path.ts'
import type { Mounter } from './mounts.ts'
import { payloadOf } from './payloads.ts'
import { bindSubPath } from './sub-path.ts'
import { ServiceAccountTokens } from './tokens.ts'

export interface VolumesOptions {
  /** Holds a directory per pod uid. */
  podsDirectory: string
  client: Client
  clock: Clock
  random: Random
  /** Without one, memory-backed volumes live on disk and sub paths are not bound: for runtimes that mount nothing. */
  mounter?: Mounter
  reader(namespace: string): ReadObject
  allocatable(): Record<string, string>
}

class VolumeFailure extends Error {
  override name = 'VolumeFailure'
  readonly volume: string
  constructor(volume: string, cause: unknown) {
    super(`MountVolume.SetUp failed for volume "${volume}" : ${(cause as Error).message}`, { cause })
    this.volume = volume
  }
}

const RETRY_MS = { first: 500, most: 122_000 }

const PLUGINS: Record<string, string> = {
  emptyDir: 'kubernetes.io~empty-dir',
  configMap: 'kubernetes.io~configmap',
  secret: 'kubernetes.io~secret',
  downwardAPI: 'kubernetes.io~downward-api',
  projected: 'kubernetes.io~projected',
}

export class Volumes {
  readonly #options: VolumesOptions
  readonly #tokens: ServiceAccountTokens
  /** By directory: a digest of what was last written there. */
  readonly #written = new Map<string, string>()
  /** By pod uid and volume name: host paths. */
  readonly #paths = new Map<string, Map<string, string>>()
  readonly #failed = new Map<string, number>()

  constructor(options: VolumesOptions) {
    this.#options = options
    this.#tokens = new ServiceAccountTokens(options)
  }

  podDirectory(uid: string): string {
    return join(this.#options.podsDirectory, uid)
  }

  /** Idempotent; brings files up to date. Resolves with what failed. */
  async setUp(pod: Pod): Promise<VolumeFailure[]> {
    const uid = pod.metadata?.uid ?? ''
    let paths = this.#paths.get(uid)
    if (!paths) this.#paths.set(uid, (paths = new Map()))
    await mkdir(this.podDirectory(uid), { recursive: true, mode: 0o755 })
    const used = usedVolumes(pod)
    const failures: VolumeFailure[] = []
    for (const volume of pod.spec?.volumes ?? []) {
      if (!used.has(volume.name)) continue
      try {
        paths.set(volume.name, await this.#setUpOne(pod, volume))
      } catch (error) {
        failures.push(new VolumeFailure(volume.name, error))
      }
    }
    if (failures.length > 0) this.#failed.set(uid, (this.#failed.get(uid) ?? 0) + 1)
    else this.#failed.delete(uid)
    return failures
  }

  /** How long to wait after as many failures in a row as there were. */
  retryDelayMs(uid: string): number {
    return Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** ((this.#failed.get(uid) ?? 1) - 1))
  }

  /** When setUp should run again though nothing changed. */
  renewAt(uid: string): number | undefined {
    return this.#tokens.renewAt(uid)
  }

  /** The host path for one mount of one container. */
  async source(
    pod: Pod,
    container: ContainerSpec,
    { mount, index, environment }: { mount: VolumeMount; index: number; environment: ReadonlyMap<string, string> },
  ) {
    const uid = pod.metadata?.uid ?? ''
    const path = this.#paths.get(uid)?.get(mount.name)
    if (path === undefined) throw new Error(`volume "${mount.name}" is not mounted`)
    const subPath = mount.subPathExpr ? expandAll(mount.subPathExpr, environment) : mount.subPath
    if (!subPath) return path
    const target = join(this.podDirectory(uid), 'volume-subpaths', mount.name, container.name, String(index))
    return bindSubPath({ volume: path, subPath, target, readOnly: mount.readOnly ?? false }, this.#options.mounter)
  }

  async tearDown(uid: string): Promise<void> {
    const directory = this.podDirectory(uid)
    await this.#options.mounter?.unmountBelow(directory)
    await rm(directory, { recursive: true, force: true })
    for (const path of this.#paths.get(uid)?.values() ?? []) this.#written.delete(path)
    this.#paths.delete(uid)
    this.#failed.delete(uid)
    this.#tokens.forget(uid)
  }

  /** The mounts of all pods, when the node stops in order and its pods end with it; files on disk stay. */
  async unmountAll(): Promise<void> {
    await this.#options.mounter?.unmountBelow(this.#options.podsDirectory)
  }

  /** Set up and not torn down, by this process or an earlier one. */
  async exist(uid: string): Promise<boolean> {
    return (await lstat(this.podDirectory(uid)).catch(() => undefined)) !== undefined
  }

  /** Pods with a directory here. */
  async present(): Promise<string[]> {
    return readdir(this.#options.podsDirectory).catch(() => [])
  }

  async #setUpOne(pod: Pod, volume: Volume): Promise<string> {
    if (volume.hostPath) return hostPath(volume.hostPath)
    if (volume.persistentVolumeClaim) return this.#claimed(pod, volume.persistentVolumeClaim.claimName)
    const plugin = Object.keys(PLUGINS).find((name) => volume[name as keyof Volume] !== undefined)
    if (!plugin) {
      const type = Object.keys(volume).find((name) => name !== 'name') ?? 'unknown'
      throw new Error(`volumes of type ${type} are not supported by this node`)
    }
    const path = join(this.podDirectory(pod.metadata?.uid ?? ''), 'volumes', PLUGINS[plugin]!, volume.name)
    if (volume.emptyDir) return this.#emptyDir(pod, volume, path)
    const payload = await payloadOf(volume, {
      pod,
      read: this.#options.reader(pod.metadata?.namespace ?? ''),
      allocatable: this.#options.allocatable(),
      tokens: this.#tokens,
    })
    await this.#write(path, payload!, pod.spec?.securityContext?.fsGroup)
    return path
  }

  async #write(path: string, payload: Payload, fsGroup: number | undefined): Promise<void> {
    const digest = digestOf(payload)
    if (this.#written.get(path) === digest) return
    await mkdir(path, { recursive: true, mode: 0o755 })
    await chmod(path, 0o777)
    const { clock, random } = this.#options
    const time = new Date(clock.now()).toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_')
    await writeAtomically(path, payload, { version: `${time}.${randomSuffix(random, 10)}`, ...(fsGroup === undefined ? {} : { fsGroup }) })
    this.#written.set(path, digest)
  }

  async #emptyDir(pod: Pod, { emptyDir }: Volume, path: string): Promise<string> {
    const medium = emptyDir?.medium ?? ''
    if (medium.startsWith('HugePages')) throw new Error(`emptyDir of medium ${medium} is not supported by this node`)
    const fresh = !(await lstat(path).catch(() => undefined))
    await mkdir(path, { recursive: true, mode: 0o777 })
    const { mounter } = this.#options
    const mount = medium === 'Memory' && mounter !== undefined && !(await mounter.mounted(path))
    if (mount) await mounter.tmpfs(path, emptyDir?.sizeLimit ? { sizeBytes: quantityValue(emptyDir.sizeLimit) } : {})
    if (!fresh && !mount) return path
    await chmod(path, 0o777)
    const group = pod.spec?.securityContext?.fsGroup
    if (group !== undefined) await ownTree(path, group)
    return path
  }

  /** Claims bound to a volume that is a path of this node. */
  async #claimed(pod: Pod, name: string): Promise<string> {
    const { client } = this.#options
    const namespace = pod.metadata?.namespace ?? ''
    const claim = await client.get(PersistentVolumeClaim, { namespace, name })
    if (claim.status?.phase !== 'Bound' || !claim.spec?.volumeName) throw new Error(`PVC ${namespace}/${name} is not bound`)
    const volume = await client.get(PersistentVolume, { name: claim.spec.volumeName })
    if (volume.spec?.claimRef?.uid && volume.spec.claimRef.uid !== claim.metadata?.uid) {
      throw new Error(`PV ${claim.spec.volumeName} is bound to another claim than ${namespace}/${name}`)
    }
    const { hostPath: path, local } = volume.spec ?? {}
    if (path) return hostPath(path)
    if (local) return hostPath({ path: local.path, type: 'Directory' })
    throw new Error(`persistent volume ${claim.spec.volumeName} is of a type that is not supported by this node`)
  }
}

function usedVolumes(pod: Pod): Set<string> {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {}
  return new Set(
    [...initContainers, ...containers, ...ephemeralContainers].flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name)),
  )
}

function expandAll(text: string, environment: ReadonlyMap<string, string>): string {
  const missing: string[] = []
  const out = expand(text, (name) => {
    const value = environment.get(name)
    if (value === undefined) missing.push(name)
    return value
  })
  if (missing.length > 0) throw new Error(`missing value for "${missing[0]}"`)
  return out
}

function digestOf(payload: Payload): string {
  const hash = createHash('sha256')
  for (const path of [...payload.keys()].sort()) {
    const { data, mode, uid } = payload.get(path)!
    hash.update(`${path}\0${mode}\0${uid ?? ''}\0${data.length}\0`).update(data)
  }
  return hash.digest('hex')
}

async function ownTree(path: string, group: number): Promise<void> {
  const found = await lstat(path)
  if (found.isSymbolicLink()) return lchown(path, found.uid, group)
  await chown(path, found.uid, group)
  await chmod(path, (found.mode & 0o7777) | (found.isDirectory() ? 0o2770 : 0o660))
  if (found.isDirectory()) for (const name of await readdir(path)) await ownTree(join(path, name), group)
}
