// The few structures of the OCI image specification that are read and written here, and building an image from layers in memory.
import { createHash } from 'node:crypto'

export const MEDIA = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
  platform?: { architecture: string; os: string; variant?: string }
  annotations?: Record<string, string>
}

export interface ImageManifest {
  schemaVersion: 2
  mediaType?: string
  config: Descriptor
  layers: Descriptor[]
}

export interface ImageIndex {
  schemaVersion: 2
  mediaType?: string
  manifests: Descriptor[]
}

/** What a container of the image is started with, as the image configuration's `config` spells it. */
export interface ImageDefaults {
  Entrypoint?: string[]
  Cmd?: string[]
  Env?: string[]
  WorkingDir?: string
  User?: string
  StopSignal?: string
  ExposedPorts?: Record<string, object>
  Volumes?: Record<string, object>
  Labels?: Record<string, string>
}

export interface BuiltImage {
  manifest: Descriptor
  /** By digest: the manifest, the configuration, the layers. */
  blobs: Map<string, Buffer>
}

const DIGEST = /^sha256:[0-9a-f]{64}$/

/** Digests name files and store keys, so nothing else passes. */
export function checkedDigest(digest: unknown): string {
  if (typeof digest === 'string' && DIGEST.test(digest)) return digest
  throw new Error(`${JSON.stringify(digest)} is not a sha256 digest`)
}

export function isIndex(mediaType: string): boolean {
  return mediaType === MEDIA.index || mediaType === MEDIA.dockerIndex
}

export function isManifest(mediaType: string): boolean {
  return mediaType === MEDIA.manifest || mediaType === MEDIA.dockerManifest
}

/** Every blob a manifest or index names. */
export function childrenOf(document: Partial<ImageManifest & ImageIndex>): Descriptor[] {
  return [...(document.config ? [document.config] : []), ...(document.layers ?? []), ...(document.manifests ?? [])]
}

/** `layers` are uncompressed tar files, the lowest first. */
export function buildImage(
  layers: readonly Buffer[],
  { defaults, architecture }: { defaults: ImageDefaults; architecture: string },
): BuiltImage {
  const blobs = new Map<string, Buffer>()
  const add = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const descriptors = layers.map((layer) => add(MEDIA.layer, layer))
  const config = {
    architecture,
    os: 'linux',
    config: defaults,
    rootfs: { type: 'layers', diff_ids: descriptors.map(({ digest }) => digest) },
  }
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: add(MEDIA.config, Buffer.from(JSON.stringify(config))),
    layers: descriptors,
  }
  const platform = { architecture, os: 'linux' }
  return { manifest: { ...add(MEDIA.manifest, Buffer.from(JSON.stringify(manifest))), platform }, blobs }
}
