// Images of a running node for people: load from and save to files, list, remove. Names are as people write them.
import type { Clock } from '#lib/clock.ts'
import { architecture } from '#node/machine.ts'
import type { Runtime } from '#node/runtime.ts'
import { type ArchiveBlob, writeImageArchive } from './archive-writer.ts'
import { openContainerdImages } from './containerd-images.ts'
import { openImageArchive, readDocument, walk } from './image-archive.ts'
import { normaliseReference } from './image-reference.ts'
import { type Descriptor, type ImageIndex, isIndex } from './oci.ts'
import type { TarFile } from './tar-index.ts'

export interface ImageTools extends Disposable {
  /** Resolves to the full names the archive brought. */
  load(file: string): Promise<string[]>
  list(): Promise<{ id: string; names: string[]; sizeBytes: number }[]>
  remove(name: string): Promise<void>
  save(name: string, file: string): Promise<void>
}

/** `endpoint` is containerd's socket, `runtime` speaks CRI to the same. */
export function createImageTools({ endpoint, runtime, clock }: { endpoint: string; runtime: Runtime; clock: Clock }): ImageTools {
  const images = openContainerdImages({ endpoint, clock })
  const present = async (name: string) => {
    const found = await runtime.imageStatus(name)
    if (!found) throw new Error(`no image ${name} here: \`sampan image list\` shows those there are`)
    return found
  }

  return {
    async load(file) {
      await using archive = await openImageArchive(file)
      for (const { target, names } of archive.images) await checkPlatform(target, { blob: archive.blob, what: names[0]! })
      return images.protect(async (content) => {
        for (const { names, target } of archive.images) {
          for await (const { descriptor, file: blob, children } of walk(target, archive.blob)) {
            await content.write({ digest: descriptor.digest, size: blob.size }, { children, bytes: blob.bytes })
          }
          for (const name of names) await images.tag(name, target)
        }
        return archive.images.flatMap(({ names }) => names)
      })
    },
    async list() {
      return (await runtime.listImages()).map(({ id, tags, digests, sizeBytes }) => ({
        id,
        names: tags.length > 0 ? tags : digests,
        sizeBytes,
      }))
    },
    async remove(name) {
      const found = await present(name)
      // CRI would take every other name of the image away with this one.
      const full = found.tags.length > 1 ? found.tags.find((tag) => tag === normaliseReference(name)) : undefined
      if (full) await images.untag(full)
      else await runtime.removeImage(name)
    },
    async save(name, file) {
      const found = await present(name)
      // An id has no name of its own to save under.
      const full = found.id.startsWith(name) || found.id === `sha256:${name}` ? found.tags[0] : normaliseReference(name)
      const target = full && (await images.find(full))
      if (!full || !target) throw new Error(`image ${name} has no tag to save it under`)
      const blob = async (digest: string): Promise<TarFile | undefined> => {
        const size = await images.sizeOf(digest)
        return size === undefined ? undefined : { size, bytes: () => images.read(digest) }
      }
      const blobs = async function* (): AsyncGenerator<ArchiveBlob> {
        for await (const { descriptor, file: held } of walk(target, blob)) yield { digest: descriptor.digest, ...held }
      }
      await writeImageArchive(file, { images: [{ name: full, target }], blobs: blobs() })
    },
    [Symbol.dispose]: () => images[Symbol.dispose](),
  }
}

/** An image for other machines alone would load and then fail at every start. */
async function checkPlatform(
  target: Descriptor,
  { blob, what }: { blob(digest: string): TarFile | undefined; what: string },
): Promise<void> {
  const manifests = isIndex(target.mediaType)
    ? (await readDocument<ImageIndex>(blob(target.digest), `blob ${target.digest}`)).manifests.filter(({ digest }) => blob(digest))
    : [target]
  const platforms = manifests.flatMap(({ platform }) => (platform ? [`${platform.os}/${platform.architecture}`] : []))
  const wanted = `linux/${architecture()}`
  if (platforms.length > 0 && platforms.length === manifests.length && !platforms.includes(wanted)) {
    throw new Error(`${what} is for ${platforms.join(', ')}; this node needs ${wanted}`)
  }
}
