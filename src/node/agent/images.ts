// Getting a container's image by its pull policy: back-off per image, one pull at a time per reference, and the kubelet's words for it all.
import type { Container as ContainerSpec, Pod } from '#api/generated/types.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import type { Clock } from '#lib/clock.ts'
import { formatGoDuration } from '#lib/duration.ts'
import { LruMap } from '#lib/lru-map.ts'
import { orAborted } from '#lib/or-aborted.ts'
import type { Image, ImageService } from '#node/runtime.ts'
import type { ReadObject } from './environment.ts'
import { credentialsFor } from './pull-secrets.ts'
import { RestartBackoff } from './restart-backoff.ts'

export class ImageFailure extends Error {
  override name = 'ImageFailure'
  readonly reason: 'ErrImagePull' | 'ImagePullBackOff' | 'ErrImageNeverPull' | 'InvalidImageName' | 'ImageInspectError'
  /** When another attempt makes sense, epoch milliseconds. */
  readonly retryAt: number | undefined
  constructor(reason: ImageFailure['reason'], message: string, retryAt?: number) {
    super(message)
    this.reason = reason
    this.retryAt = retryAt
  }
}

export interface ImagesOptions {
  runtime: ImageService
  clock: Clock
}

export type Announce = (type: 'Normal' | 'Warning', reason: string, message: string) => void

const REFERENCE =
  /^(?:[a-zA-Z0-9.\-_]+(?::[0-9]+)?\/|\[[0-9a-fA-F:]+\](?::[0-9]+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$/

/** Failures and images; what is forgotten is told with less detail, or seems unused for longer. */
const REMEMBERED = 4096

export class Images {
  readonly #runtime: ImageService
  readonly #clock: Clock
  readonly #backoff: RestartBackoff
  readonly #pulling = new Map<string, Promise<string>>()
  readonly #lastError = new LruMap<string, string>(REMEMBERED)
  readonly #usedAt = new LruMap<string, number>(REMEMBERED)

  constructor({ runtime, clock }: ImagesOptions) {
    this.#runtime = runtime
    this.#clock = clock
    this.#backoff = new RestartBackoff(clock)
  }

  /** When an image was last wanted by a container; for garbage collection. */
  usedAt(id: string): number | undefined {
    return this.#usedAt.get(id)
  }

  async ensure(
    pod: Pod,
    container: ContainerSpec,
    { read, announce, signal }: { read: ReadObject; announce: Announce; signal: AbortSignal },
  ): Promise<Image> {
    const reference = container.image ?? ''
    if (!REFERENCE.test(reference)) {
      const message = `Failed to apply default image tag "${reference}": couldn't parse image name "${reference}": invalid reference format`
      announce('Warning', 'InspectFailed', message)
      throw new ImageFailure('InvalidImageName', message)
    }
    const present = await this.#runtime.imageStatus(reference).catch((error: Error) => {
      const message = `Failed to inspect image "${reference}": ${error.message}`
      announce('Warning', 'InspectFailed', message)
      throw new ImageFailure('ImageInspectError', message)
    })
    const policy = container.imagePullPolicy ?? 'IfNotPresent'
    if (present && policy !== 'Always') {
      announce('Normal', 'Pulled', `Container image "${reference}" already present on machine and can be accessed by the pod`)
      return this.#used(present)
    }
    if (policy === 'Never') {
      const message = `Container image "${reference}" is not present with pull policy of Never`
      announce('Warning', 'ErrImageNeverPull', message)
      throw new ImageFailure('ErrImageNeverPull', message)
    }
    await this.#pull(pod, reference, { read, announce, signal })
    const pulled = await this.#runtime.imageStatus(reference)
    if (!pulled) throw new ImageFailure('ErrImagePull', `image "${reference}" was pulled but cannot be found`)
    return this.#used(pulled)
  }

  async #pull(
    pod: Pod,
    reference: string,
    { read, announce, signal }: { read: ReadObject; announce: Announce; signal: AbortSignal },
  ): Promise<void> {
    const key = `${pod.metadata?.uid}/${reference}`
    const waitUntil = this.#backoff.waitUntil(key)
    if (waitUntil !== undefined) {
      announce('Normal', 'BackOff', `Back-off pulling image "${reference}"`)
      const last = this.#lastError.get(key)
      throw new ImageFailure('ImagePullBackOff', `Back-off pulling image "${reference}"${last ? `: ErrImagePull: ${last}` : ''}`, waitUntil)
    }
    announce('Normal', 'Pulling', `Pulling image "${reference}"`)
    const began = this.#clock.monotonic()
    try {
      const id = await this.#shared(pod, reference, { read, signal })
      const took = formatGoDuration(this.#clock.monotonic() - began)
      const size = (await this.#runtime.imageStatus(id))?.sizeBytes ?? 0
      announce(
        'Normal',
        'Pulled',
        `Successfully pulled image "${reference}" in ${took} (${took} including waiting). Image size: ${size} bytes.`,
      )
      this.#backoff.forget(key)
      this.#lastError.delete(key)
    } catch (error) {
      signal.throwIfAborted()
      const { message } = error as Error
      announce('Warning', 'Failed', `Failed to pull image "${reference}": ${message}`)
      this.#backoff.next(key)
      this.#lastError.set(key, message)
      throw new ImageFailure('ErrImagePull', message)
    }
  }

  /** Pods that want the same image with no secret of their own wait for one pull. */
  async #shared(pod: Pod, reference: string, { read, signal }: { read: ReadObject; signal: AbortSignal }): Promise<string> {
    const names = (pod.spec?.imagePullSecrets ?? []).flatMap(({ name }) => (name ? [name] : []))
    if (names.length > 0) return this.#withSecrets(reference, { names, read, signal })
    let pull = this.#pulling.get(reference)
    if (!pull) {
      pull = this.#runtime.pullImage(reference, {}).finally(() => this.#pulling.delete(reference))
      this.#pulling.set(reference, pull)
    }
    return orAborted(pull, signal)
  }

  async #withSecrets(
    reference: string,
    { names, read, signal }: { names: string[]; read: ReadObject; signal: AbortSignal },
  ): Promise<string> {
    const secrets: Secret[] = []
    // A secret that is not there is passed over, as the image may be public.
    for (const name of names)
      await read(Secret, name).then(
        (secret) => secrets.push(secret),
        () => undefined,
      )
    const credentials = credentialsFor(reference, secrets)
    let failure: unknown
    for (const auth of credentials.length > 0 ? credentials : [undefined]) {
      try {
        return await this.#runtime.pullImage(reference, { signal, ...(auth ? { auth } : {}) })
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  #used(image: Image): Image {
    this.#usedAt.set(image.id, this.#clock.now())
    return image
  }
}
