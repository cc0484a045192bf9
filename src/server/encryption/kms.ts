// Keys held by a KMS v2 plugin on a unix socket. The plugin encrypts a seed, each value gets a key of its own derived from it, and beside every value lies
// what is needed to read it: upstream's envelope. The plugin is asked how it is and which key it uses on its own times, as upstream does, never by a write
// that finds a seed that may be used; while it is not well the last seed serves three minutes.
import { createHmac } from 'node:crypto'
import type { Clock, Timer } from '#lib/clock.ts'
import { GrpcChannel } from '#lib/grpc/channel.ts'
import { decodeMessage, encodeMessage } from '#lib/grpc/codec.ts'
import { GrpcError } from '#lib/grpc/grpc-error.ts'
import type { Logger } from '#lib/log.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { Random } from '#lib/random.ts'
import { aesGcm, type Cipher } from './ciphers.ts'
import { type Envelope, envelopeFault, hashOf, keyIdFault, KMS_SCHEMA, SEED, seedDigest } from './kms-envelope.ts'
import { joined, type Provider } from './providers.ts'

const SEED_BYTES = 32
const INFO_BYTES = 32
/** How often the plugin is asked how it is, by itself and at most for others. */
const PROBE_MS = { well: 60_000, ill: 10_000 }
const HOLDS_MS = { well: 20_000, ill: 3000 }
/** How long a seed serves since the plugin last said that its key is still the one. */
const SEED_MS = 180_000
const KNOWN_SEEDS = 1000

interface Seed extends Omit<Envelope, 'encryptedData'> {
  plain: Uint8Array
  endsAt: number
}

export interface KmsOptions {
  name: string
  socket: string
  timeoutMs: number
}

export interface KmsParts {
  clock: Clock
  random: Random
  log: Logger
  /** The plugin can be used again: what could not be read may be now. */
  recovered(): void
}

/** Asks the plugin once before it returns; one that is not there yet is awaited in the background. */
export async function kmsProvider(options: KmsOptions, parts: KmsParts): Promise<{ provider: Provider; plugin: KmsPlugin }> {
  const plugin = new KmsPlugin(options, parts)
  await plugin.probe()
  plugin.follow()
  return { provider: { prefix: `k8s:enc:kms:v2:${options.name}:`, cipher: plugin }, plugin }
}

export class KmsPlugin implements Cipher, Disposable {
  readonly #channel: GrpcChannel
  readonly #options: KmsOptions
  readonly #parts: KmsParts
  readonly #seeds = new LruMap<string, Uint8Array>(KNOWN_SEEDS)
  #seed: Seed | undefined
  #version = ''
  #probing: Promise<void> | undefined
  #probedAt = Number.NEGATIVE_INFINITY
  #problem: string | undefined
  #timer: Timer | undefined
  #retired = false

  constructor(options: KmsOptions, parts: KmsParts) {
    this.#options = options
    this.#parts = parts
    this.#channel = new GrpcChannel(options.socket, { schema: KMS_SCHEMA, clock: parts.clock })
  }

  /** What is wrong; asked again where that is a while ago. */
  async problem(): Promise<string | undefined> {
    await this.probe()
    return this.#problem
  }

  /** Which key values are encrypted with now. */
  currentKey(): string {
    return this.#seed?.keyID ?? ''
  }

  keyOf(sealed: Uint8Array): string {
    return opened(sealed).keyID
  }

  async encrypt(plain: Uint8Array, context: string): Promise<Uint8Array> {
    const { plain: seed, endsAt: _, ...beside } = await this.#usable()
    const { random } = this.#parts
    const info = random.bytes(INFO_BYTES)
    const sealed = await aesGcm(derive(seed, info), random).encrypt(plain, context)
    const envelope: Envelope = { ...beside, encryptedData: Buffer.concat([info, sealed]) }
    return encodeMessage(KMS_SCHEMA, 'v2.EncryptedObject', envelope)
  }

  async decrypt(sealed: Uint8Array, context: string): Promise<Uint8Array> {
    const envelope = opened(sealed)
    const source = await this.#open(envelope)
    const data = envelope.encryptedData
    const { random } = this.#parts
    if (envelope.encryptedDEKSourceType !== SEED) return aesGcm(source, random).decrypt(data, context)
    return aesGcm(derive(source, data.subarray(0, INFO_BYTES)), random).decrypt(data.subarray(INFO_BYTES), context)
  }

  /** Learns how the plugin is and which key it uses, unless that is known; together with others who ask. Never throws. */
  probe(): Promise<void> {
    const { clock } = this.#parts
    if (clock.monotonic() - this.#probedAt < HOLDS_MS[this.#state()]) return this.#probing ?? Promise.resolve()
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined
      this.#probedAt = clock.monotonic()
    })
    return this.#probing
  }

  /** Probes until disposed. */
  follow(): void {
    this.#timer = this.#parts.clock.after(PROBE_MS[this.#state()], () => {
      void this.probe().then(() => {
        if (!this.#retired) this.follow()
      })
    })
  }

  /** Nothing new is written with it: it is not asked any more how it is. What was written stays readable. */
  retire(): void {
    this.#retired = true
    this.#timer?.cancel()
  }

  [Symbol.dispose](): void {
    this.retire()
    this.#channel[Symbol.dispose]()
  }

  #state(): 'well' | 'ill' {
    return this.#problem === undefined ? 'well' : 'ill'
  }

  async #probe(): Promise<void> {
    const { log, recovered } = this.#parts
    const { name } = this.#options
    const before = this.#probedAt < 0 ? undefined : this.#problem
    const usable = this.#seed !== undefined
    try {
      this.#problem = await this.#check()
    } catch (error) {
      this.#problem = `failed to perform status section of the healthz check for KMS Provider ${name}, error: ${messageOf(error)}`
    }
    if (this.#retired) return
    if (this.#problem !== undefined && this.#problem !== before)
      log.error('kms plugin failed health check probe', { name, error: this.#problem })
    if (this.#seed && (!usable || (before !== undefined && this.#problem === undefined))) recovered()
  }

  /** Throws where the plugin does not answer. */
  async #check(): Promise<string | undefined> {
    const now = this.#parts.clock.monotonic()
    const { version, healthz, keyId } = await this.#ask<{ version: string; healthz: string; keyId: string }>('Status', {})
    const faults: string[] = []
    if (healthz !== 'ok') faults.push(`got unexpected healthz status: ${healthz}`)
    if (version !== 'v2' && version !== 'v2beta1') faults.push(`expected KMSv2 API version v2, got ${version}`)
    else {
      this.#version ||= version
      if (version !== this.#version)
        faults.push(`KMSv2 API version should not change after the initial status response version ${this.#version}, got ${version}`)
    }
    const fault = keyIdFault(keyId)
    const rotation = fault === undefined ? await this.#follows(keyId, now) : `got invalid KMSv2 KeyID hash "${hashOf(keyId)}": ${fault}`
    if (rotation !== undefined) faults.push(rotation)
    return faults.length > 0 ? `kmsv2 Provider ${this.#options.name} is not healthy, error: ${joined(faults)}` : undefined
  }

  /** Makes a seed with the key the plugin names, unless the present one is; what went wrong leaves the present one. */
  async #follows(keyId: string, now: number): Promise<string | undefined> {
    const endsAt = now + SEED_MS
    if (this.#seed?.keyID === keyId) {
      this.#seed = { ...this.#seed, endsAt }
      return undefined
    }
    let made: Omit<Seed, 'endsAt'> | undefined
    let problem: string | undefined
    try {
      made = await this.#newSeed()
    } catch (error) {
      problem = messageOf(error)
    }
    if (made?.keyID === keyId) {
      this.#seed = { ...made, endsAt }
      this.#seeds.set(seedDigest(made), made.plain)
      return undefined
    }
    const hashes = `statusKeyIDHash="${hashOf(keyId)}", encryptKeyIDHash="${hashOf(made?.keyID ?? '')}", stateKeyIDHash="${hashOf(this.currentKey())}"`
    return `failed to rotate DEK, errGen=${problem ?? '<nil>'}, ${hashes}`
  }

  async #newSeed(): Promise<Omit<Seed, 'endsAt'>> {
    const { random } = this.#parts
    const plain = random.bytes(SEED_BYTES)
    const answer = await this.#ask<{ ciphertext: Uint8Array; keyId: string; annotations?: Record<string, Uint8Array> }>('Encrypt', {
      plaintext: plain,
      uid: random.uuid(),
    }).catch((error) => {
      throw new Error(`failed to encrypt DEK, error: ${messageOf(error)}`, { cause: error })
    })
    const { ciphertext, keyId, annotations = {} } = answer
    const seed = { keyID: keyId, encryptedDEKSource: ciphertext, annotations, encryptedDEKSourceType: SEED }
    const fault = envelopeFault(seed)
    if (fault !== undefined) throw new Error(fault)
    return { ...seed, plain }
  }

  /** The seed values are encrypted with. */
  async #usable(): Promise<Seed> {
    const { clock } = this.#parts
    // Where the process slept, its plugin is well all the same.
    if (!this.#seed || this.#seed.endsAt < clock.monotonic()) await this.probe()
    const seed = this.#seed
    if (!seed) throw new Error(this.#problem ?? `kms plugin ${this.#options.name} was not asked yet`)
    const late = clock.monotonic() - seed.endsAt
    if (late <= 0) return seed
    const [end, now] = [clock.now() - late, clock.now()].map((time) => new Date(time).toISOString().replace(/\.\d+/, ''))
    throw new Error(`encryptedDEKSource with keyID hash "${hashOf(seed.keyID)}" expired at ${end} (current time is ${now})`)
  }

  async #open(envelope: Envelope): Promise<Uint8Array> {
    const digest = seedDigest(envelope)
    const known = this.#seeds.get(digest)
    if (known) return known
    // A plugin that never answered is not waited for once for each value.
    if (!this.#seed) throw new Error(this.#problem ?? `kms plugin ${this.#options.name} was not asked yet`)
    const { encryptedDEKSource, keyID, annotations } = envelope
    const { plaintext } = await this.#ask<{ plaintext: Uint8Array }>('Decrypt', {
      ciphertext: encryptedDEKSource,
      uid: this.#parts.random.uuid(),
      keyId: keyID,
      annotations,
    }).catch((error) => {
      throw new Error(`failed to decrypt DEK, error: ${messageOf(error)}`, { cause: error })
    })
    this.#seeds.set(digest, plaintext)
    return plaintext
  }

  #ask<T>(method: string, request: object): Promise<T> {
    return this.#channel.unary<T>(`KeyManagementService.${method}`, request, { deadlineMs: this.#options.timeoutMs })
  }
}

function opened(sealed: Uint8Array): Envelope {
  const envelope = decodeMessage(KMS_SCHEMA, 'v2.EncryptedObject', sealed) as unknown as Envelope
  const fault = envelope.encryptedData.length === 0 ? 'encrypted data is empty' : envelopeFault(envelope)
  if (fault !== undefined) throw new Error(fault)
  return envelope
}

function messageOf(error: unknown): string {
  return error instanceof GrpcError ? error.full : (error as Error).message
}

/** One block of HKDF's expansion with SHA-256. */
function derive(seed: Uint8Array, info: Uint8Array): Uint8Array {
  return createHmac('sha256', seed).update(info).update(Uint8Array.of(1)).digest()
}
