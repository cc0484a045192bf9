// What a KMS v2 plugin is asked and answers, what lies beside each value it keeps, and upstream's bounds on both. Calls nobody.
import { createHash } from 'node:crypto'
import { dnsSubdomain } from '#api/names.ts'
import { parseProto } from '#lib/grpc/proto-text.ts'
import { joined } from './providers.ts'

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

export const SEED = 'HKDF_SHA256_XNONCE_AES_GCM_SEED'
const KEY = 'AES_GCM_KEY'

const ANNOTATIONS_BYTES = 32 * 1024
const KEY_ID_BYTES = 1024
const SOURCE_BYTES = 1024

export interface Envelope {
  encryptedData: Uint8Array
  keyID: string
  encryptedDEKSource: Uint8Array
  annotations: Record<string, Uint8Array>
  encryptedDEKSourceType: string
}

/** What is wrong with an envelope, in upstream's words; `what` is beside the data. */
export function envelopeFault({ keyID, encryptedDEKSource, annotations, encryptedDEKSourceType }: Omit<Envelope, 'encryptedData'>) {
  if (encryptedDEKSourceType !== SEED && encryptedDEKSourceType !== KEY) return `unknown encryptedDEKSourceType: ${encryptedDEKSourceType}`
  const source = encryptedDEKSource.length
  if (source === 0) return 'failed to validate encrypted DEK source: encrypted DEK source is empty'
  if (source > SOURCE_BYTES)
    return `failed to validate encrypted DEK source: encrypted DEK source is ${source} bytes, which exceeds the max size of ${SOURCE_BYTES}`
  const key = keyIdFault(keyID)
  if (key !== undefined) return `failed to validate key id: ${key}`
  const notes = annotationFaults(annotations)
  if (notes.length > 0) return `failed to validate annotations: ${joined(notes)}`
  return undefined
}

export function keyIdFault(keyId: string): string | undefined {
  const bytes = Buffer.byteLength(keyId)
  if (bytes === 0) return 'keyID is empty'
  return bytes > KEY_ID_BYTES ? `keyID is ${bytes} bytes, which exceeds the max size of ${KEY_ID_BYTES}` : undefined
}

function annotationFaults(annotations: Record<string, Uint8Array>): string[] {
  const faults: string[] = []
  let size = 0
  for (const [name, value] of Object.entries(annotations)) {
    faults.push(...domainFaults(name).map((fault) => `annotations: ${fault}`))
    size += Buffer.byteLength(name) + value.length
  }
  if (size > ANNOTATIONS_BYTES) faults.push(`total size of annotations is ${size}, which exceeds the max size of ${ANNOTATIONS_BYTES}`)
  return faults
}

function domainFaults(name: string): string[] {
  if (name === '') return ['Required value']
  const quoted = JSON.stringify(name)
  const domain = name.endsWith('.') ? name.slice(0, -1) : name
  const faults = dnsSubdomain(domain)
  if (faults.length > 0) return faults.map((fault) => `Invalid value: ${quoted}: ${fault}`)
  return domain.includes('.') ? [] : [`Invalid value: ${quoted}: should be a domain with at least two segments separated by dots`]
}

/** Names a key in messages without telling it. */
export function hashOf(keyId: string): string {
  return keyId === '' ? '' : `sha256:${createHash('sha256').update(keyId).digest('hex')}`
}

/** The same for envelopes that are opened with the same seed. */
export function seedDigest({ keyID, encryptedDEKSource, annotations, encryptedDEKSourceType }: Omit<Envelope, 'encryptedData'>): string {
  const hash = createHash('sha256')
  const add = (part: string | Uint8Array) => hash.update(`${part.length} `).update(part)
  for (const part of [encryptedDEKSourceType, keyID, encryptedDEKSource]) add(part)
  for (const name of Object.keys(annotations).sort()) {
    add(name)
    add(annotations[name]!)
  }
  return hash.digest('base64')
}
