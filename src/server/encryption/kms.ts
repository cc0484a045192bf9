// Keys held by a KMS v2 plugin on a unix socket. The plugin encrypts a seed, each value gets a key of its own derived from it, and beside every value lies
// what is needed to read it: upstream's envelope. The plugin is asked once for a seed, not for every value.
import { createHash, createHmac } from 'node:crypto'
import type { Clock } from '#lib/clock.ts'
import { GrpcChannel } from '#lib/grpc/channel.ts'
import { decodeMessage, encodeMessage } from '#lib/grpc/codec.ts'
import { parseProto } from '#lib/grpc/proto-text.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { Random } from '#lib/random.ts'
import { aesGcm, type Cipher } from './ciphers.ts'
import type { Provider } from './providers.ts'

/** Field numbers are those of KMS v2 and of the envelope Kubernetes stores. */
const PROTO = `
syntax = "proto3";
package v2;
service KeyManagementService {
  rpc Status(StatusRequest) returns (StatusResponse);
  rpc Decrypt(DecryptRequest) returns (DecryptResponse);
  rpc Encrypt(EncryptRequest) returns (EncryptResponse);
}
message StatusRequest {}
message StatusResponse { string version = 1; string healthz = 2; string key_id = 3; }
message DecryptRequest { bytes ciphertext = 1; string uid = 2; string key_id = 3; map<string, bytes> annotations = 4; }
message DecryptResponse { bytes plaintext = 1; }
message EncryptRequest { bytes plaintext = 1; string uid = 2; }
message EncryptResponse { bytes ciphertext = 1; string key_id = 2; map<string, bytes> annotations = 3; }
message EncryptedObject {
  bytes encryptedData = 1;
  string keyID = 2;
  bytes encryptedDEKSource = 3;
  map<string, bytes> annotations = 4;
  EncryptedDEKSourceType encryptedDEKSourceType = 5;
}
enum EncryptedDEKSourceType { AES_GCM_KEY = 0; HKDF_SHA256_XNONCE_AES_GCM_SEED = 1; }
`

export const KMS_SCHEMA = parseProto(PROTO)

const SEED = 'HKDF_SHA256_XNONCE_AES_GCM_SEED'
const SEED_BYTES = 32
const INFO_BYTES = 32
/** How often the plugin is asked which key it uses, and how long a seed serves while it does not answer. */
const STATUS_MS = 60_000
const UNANSWERED_MS = 180_000
const KNOWN_SEEDS = 1000

interface Envelope {
  encryptedData: Uint8Array
  keyID: string
  encryptedDEKSource: Uint8Array
  annotations: Record<string, Uint8Array>
  encryptedDEKSourceType: string
}

interface Seed extends Omit<Envelope, 'encryptedData'> {
  plain: Uint8Array
}

export interface KmsOptions {
  name: string
  socket: string
  timeoutMs: number
}

/** The connection is the caller's to close. */
export function kmsProvider(options: KmsOptions, parts: { clock: Clock; random: Random }): { provider: Provider; connection: Disposable } {
  const plugin = new KmsPlugin(options, parts)
  return { provider: { prefix: `k8s:enc:kms:v2:${options.name}:`, cipher: plugin }, connection: plugin }
}

class KmsPlugin implements Cipher, Disposable {
  readonly #channel: GrpcChannel
  readonly #options: KmsOptions
  readonly #clock: Clock
  readonly #random: Random
  readonly #seeds = new LruMap<string, Uint8Array>(KNOWN_SEEDS)
  #current: Promise<Seed> | undefined
  #checked = 0

  constructor(options: KmsOptions, { clock, random }: { clock: Clock; random: Random }) {
    this.#options = options
    this.#clock = clock
    this.#random = random
    this.#channel = new GrpcChannel(options.socket, { schema: KMS_SCHEMA, clock })
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]()
  }

  async encrypt(plain: Uint8Array, context: string): Promise<Uint8Array> {
    const { plain: seed, ...beside } = await this.#seed()
    const info = this.#random.bytes(INFO_BYTES)
    const sealed = await aesGcm(derive(seed, info), this.#random).encrypt(plain, context)
    const envelope: Envelope = { ...beside, encryptedData: Buffer.concat([info, sealed]) }
    return encodeMessage(KMS_SCHEMA, 'v2.EncryptedObject', envelope)
  }

  async decrypt(sealed: Uint8Array, context: string): Promise<Uint8Array> {
    const envelope = decodeMessage(KMS_SCHEMA, 'v2.EncryptedObject', sealed) as unknown as Envelope
    const source = await this.#open(envelope)
    const data = envelope.encryptedData
    if (envelope.encryptedDEKSourceType !== SEED) return aesGcm(source, this.#random).decrypt(data, context)
    return aesGcm(derive(source, data.subarray(0, INFO_BYTES)), this.#random).decrypt(data.subarray(INFO_BYTES), context)
  }

  async #open({ encryptedDEKSource, keyID, annotations }: Envelope): Promise<Uint8Array> {
    const digest = createHash('sha256').update(keyID).update('\0').update(encryptedDEKSource).digest('base64')
    const known = this.#seeds.get(digest)
    if (known) return known
    const { plaintext } = await this.#ask<{ plaintext: Uint8Array }>('Decrypt', {
      ciphertext: encryptedDEKSource,
      uid: this.#random.uuid(),
      keyId: keyID,
      annotations,
    })
    this.#seeds.set(digest, plaintext)
    return plaintext
  }

  /** The seed values are encrypted with now; a new one when the plugin changed its key. */
  async #seed(): Promise<Seed> {
    const now = this.#clock.monotonic()
    if (!this.#current) {
      this.#checked = now
      this.#current = this.#newSeed()
      this.#current.catch(() => (this.#current = undefined))
    } else if (now - this.#checked > STATUS_MS) {
      const current = await this.#current
      try {
        if ((await this.#status()) !== current.keyID) this.#current = this.#newSeed()
        this.#checked = now
      } catch (error) {
        if (now - this.#checked > UNANSWERED_MS) throw error
      }
    }
    return this.#current!
  }

  async #newSeed(): Promise<Seed> {
    await this.#status()
    const plain = this.#random.bytes(SEED_BYTES)
    const answer = await this.#ask<{ ciphertext: Uint8Array; keyId: string; annotations?: Record<string, Uint8Array> }>('Encrypt', {
      plaintext: plain,
      uid: this.#random.uuid(),
    })
    if (answer.keyId === '') throw new Error(`kms plugin ${this.#options.name} names no key`)
    return {
      plain,
      keyID: answer.keyId,
      encryptedDEKSource: answer.ciphertext,
      annotations: answer.annotations ?? {},
      encryptedDEKSourceType: SEED,
    }
  }

  async #status(): Promise<string> {
    const { version, healthz, keyId } = await this.#ask<{ version: string; healthz: string; keyId: string }>('Status', {})
    if (version !== 'v2' && version !== 'v2beta1') throw new Error(`expected KMSv2 API version v2, got ${version}`)
    if (healthz !== 'ok') throw new Error(`kms plugin ${this.#options.name} is not healthy: ${healthz}`)
    return keyId
  }

  #ask<T>(method: string, request: object): Promise<T> {
    return this.#channel.unary<T>(`KeyManagementService.${method}`, request, { deadlineMs: this.#options.timeoutMs })
  }
}

/** One block of HKDF's expansion with SHA-256. */
function derive(seed: Uint8Array, info: Uint8Array): Uint8Array {
  return createHmac('sha256', seed).update(info).update(Uint8Array.of(1)).digest()
}
