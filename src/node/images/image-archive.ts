// Images in a file, in both forms that tools write: an OCI image layout in a tar, and what `docker save` has always written. Both read as names,
// each with a manifest or index, and blobs by digest.
import { createHash } from 'node:crypto'
import { childrenOf, checkedDigest, type Descriptor, type ImageIndex, type ImageManifest, isIndex, isManifest, MEDIA } from './oci.ts'
import { normaliseReference } from './image-reference.ts'
import { openTar, type TarFile, type TarIndex } from './tar-index.ts'

export interface ArchivedImage {
  /** Full names. */
  names: string[]
  target: Descriptor
}

export interface ImageArchive extends AsyncDisposable {
  images: ArchivedImage[]
  blob(digest: string): TarFile | undefined
}

interface DockerSaved {
  Config: string
  RepoTags: string[] | null
  Layers: string[]
}

const DOCUMENT_LIMIT = 4 * 1024 * 1024

/** `what` is how errors call the file. */
export async function openImageArchive(path: string, what = path): Promise<ImageArchive> {
  const tar = await openTar(path).catch((error: Error) => {
    throw new Error(`${what} is not an image archive: ${error.message}`, { cause: error })
  })
  try {
    const layout = tar.file('index.json') && tar.file('oci-layout') ? await readLayout(tar) : undefined
    // Docker writes both forms at once; the older one may know names where the layout has none.
    const archive = layout && (layout.images.length > 0 || !tar.file('manifest.json')) ? layout : await readDockerSave(tar, what)
    if (archive.images.length === 0) throw new Error(`${what} names no image: save it again by name, as in \`docker save NAME:TAG\``)
    return { ...archive, [Symbol.asyncDispose]: () => tar[Symbol.asyncDispose]() }
  } catch (error) {
    await tar[Symbol.asyncDispose]()
    throw error
  }
}

export async function readDocument<T>(file: TarFile | undefined, what: string): Promise<T> {
  if (!file) throw new Error(`the archive lacks ${what}`)
  if (file.size > DOCUMENT_LIMIT) throw new Error(`${what} has ${file.size} bytes, more than the ${DOCUMENT_LIMIT} allowed`)
  const chunks: Buffer[] = []
  for await (const chunk of file.bytes()) chunks.push(chunk)
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as T
  } catch (error) {
    throw new Error(`${what} is not JSON: ${(error as Error).message}`, { cause: error })
  }
}

async function readLayout(tar: TarIndex): Promise<Omit<ImageArchive, typeof Symbol.asyncDispose>> {
  const index = await readDocument<ImageIndex>(tar.file('index.json'), 'index.json')
  const images = (index.manifests ?? []).flatMap((descriptor) => {
    const { annotations = {} } = descriptor
    const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name']
    // A bare tag is no name.
    if (!name || !/[/:]/.test(name)) return []
    if (!isIndex(descriptor.mediaType) && !isManifest(descriptor.mediaType)) return []
    return [{ names: [normaliseReference(name)], target: descriptor }]
  })
  return { images, blob: (digest) => tar.file(`blobs/${checkedDigest(digest).replace(':', '/')}`) }
}

/** Gives each image the manifest it was saved without. */
async function readDockerSave(tar: TarIndex, what: string): Promise<Omit<ImageArchive, typeof Symbol.asyncDispose>> {
  if (!tar.file('manifest.json')) {
    throw new Error(`${what} is not an image archive: it has neither an index.json (OCI layout) nor a manifest.json (docker save)`)
  }
  const blobs = new Map<string, TarFile>()
  const add = async (mediaType: string, name: string): Promise<Descriptor> => {
    const file = tar.file(name)
    if (!file) throw new Error(`${what} lacks ${name}, which its manifest.json names`)
    const hash = createHash('sha256')
    let start: Buffer | undefined
    for await (const chunk of file.bytes()) {
      start ??= chunk
      hash.update(chunk)
    }
    const digest = `sha256:${hash.digest('hex')}`
    blobs.set(digest, file)
    return { mediaType: mediaType === MEDIA.layer ? layerType(start) : mediaType, digest, size: file.size }
  }
  const saved = await readDocument<DockerSaved[]>(tar.file('manifest.json'), 'manifest.json')
  const images: ArchivedImage[] = []
  for (const { Config, RepoTags, Layers } of saved) {
    if (!RepoTags?.length) continue
    const layers: Descriptor[] = []
    for (const layer of Layers) layers.push(await add(MEDIA.layer, layer))
    const manifest: ImageManifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: await add(MEDIA.config, Config), layers }
    const bytes = Buffer.from(JSON.stringify(manifest))
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    blobs.set(digest, {
      size: bytes.length,
      bytes: async function* () {
        yield bytes
      },
    })
    images.push({ names: RepoTags.map(normaliseReference), target: { mediaType: MEDIA.manifest, digest, size: bytes.length } })
  }
  return { images, blob: (digest) => blobs.get(digest) }
}

function layerType(start: Buffer | undefined): string {
  if (start?.[0] === 0x1f && start[1] === 0x8b) return MEDIA.layerGzip
  if (start?.readUInt32LE(0) === 0xfd2fb528) return MEDIA.layerZstd
  return MEDIA.layer
}

/** Every blob below `root`, children first, each with the descriptors it names. An index may name platforms that are not here; nothing else may miss. */
export async function* walk(
  root: Descriptor,
  blob: (digest: string) => TarFile | undefined | Promise<TarFile | undefined>,
): AsyncGenerator<{ descriptor: Descriptor; file: TarFile; children: Descriptor[] }> {
  const file = await blob(checkedDigest(root.digest))
  if (!file) throw new Error(`blob ${root.digest} is missing`)
  const children: Descriptor[] = []
  if (isIndex(root.mediaType) || isManifest(root.mediaType)) {
    for (const child of childrenOf(await readDocument(file, `blob ${root.digest}`))) {
      if (isIndex(root.mediaType) && !(await blob(checkedDigest(child.digest)))) continue
      children.push(child)
      yield* walk(child, blob)
    }
  }
  yield { descriptor: root, file, children }
}
