// Disk space for images: when the file system is fuller than 85 %, unused images are removed, longest unused first, until it is below 80 %.
import { statfs } from 'node:fs/promises'
import type { EventRecorder } from '#client/event-recorder.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Container, Runtime } from './runtime.ts'

const PERIOD_MS = 5 * 60_000
const HIGH_PERCENT = 85
const LOW_PERCENT = 80
const MINIMUM_AGE_MS = 2 * 60_000

export interface ImageGcOptions {
  runtime: Pick<Runtime, 'listImages' | 'removeImage' | 'listContainers'>
  clock: Clock
  log: Logger
  events: EventRecorder
  node: string
  /** On the file system that holds the images. */
  directory: string
  /** When a container last asked for the image. */
  usedAt(id: string): number | undefined
  /** Images never to remove, as the sandbox's own. */
  pinned?(tags: readonly string[]): boolean
  usage?(directory: string): Promise<{ totalBytes: number; freeBytes: number }>
}

export class ImageGc {
  readonly #options: ImageGcOptions
  /** When an image was first seen here. */
  readonly #detected = new Map<string, number>()

  constructor(options: ImageGcOptions) {
    this.#options = options
  }

  start(): Disposable {
    return this.#options.clock.every(PERIOD_MS, () => {
      void this.run().catch((error: unknown) => this.#options.log.warn('could not collect images', { error }))
    })
  }

  async run(): Promise<void> {
    const { runtime, clock, events, node, directory, usage = fileSystemUsage } = this.#options
    const now = clock.now()
    const [images, containers] = await Promise.all([runtime.listImages(), runtime.listContainers()])
    for (const { id } of images) if (!this.#detected.has(id)) this.#detected.set(id, now)
    const { totalBytes, freeBytes } = await usage(directory)
    const percent = totalBytes === 0 ? 0 : 100 - Math.floor((freeBytes * 100) / totalBytes)
    if (percent < HIGH_PERCENT) return
    let excess = (totalBytes * (100 - LOW_PERCENT)) / 100 - freeBytes
    const used = new Set(containers.flatMap(({ image, imageRef }: Container) => [image, imageRef]))
    const unused = images.filter(
      ({ id, tags, digests }) => !used.has(id) && ![...tags, ...digests].some((name) => used.has(name)) && !this.#options.pinned?.(tags),
    )
    const lastUsed = (id: string) => this.#options.usedAt(id) ?? this.#detected.get(id) ?? now
    let freed = 0
    for (const image of unused.sort((a, b) => lastUsed(a.id) - lastUsed(b.id))) {
      if (excess <= 0) break
      if (now - (this.#detected.get(image.id) ?? now) < MINIMUM_AGE_MS || now - lastUsed(image.id) < MINIMUM_AGE_MS) continue
      await runtime.removeImage(image.id)
      this.#detected.delete(image.id)
      excess -= image.sizeBytes
      freed += image.sizeBytes
    }
    if (excess > 0) {
      const about = { apiVersion: 'v1', kind: 'Node', metadata: { name: node, uid: node } }
      const message = `Failed to garbage collect required amount of images. Attempted to free ${Math.ceil(excess + freed)} bytes, but only found ${freed} bytes eligible to free.`
      events.event(about, 'Warning', 'FreeDiskSpaceFailed', message)
    }
  }
}

async function fileSystemUsage(directory: string): Promise<{ totalBytes: number; freeBytes: number }> {
  const { blocks, bavail, bsize } = await statfs(directory)
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize }
}
