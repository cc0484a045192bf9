// Writes an OCI image layout as one tar file that docker, podman, ctr and skopeo read. Blobs stream through; the file appears under its name only
// when it is complete.
import { once } from 'node:events'
import { open, rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { type Descriptor, MEDIA } from './oci.ts'
import { EPOCH } from './tar.ts'

export interface ArchiveBlob {
  digest: string
  size: number
  bytes(): AsyncIterable<Uint8Array>
}

export interface ArchiveContent {
  images: readonly { name: string; target: Descriptor }[]
  blobs: AsyncIterable<ArchiveBlob> | Iterable<ArchiveBlob>
}

export async function writeImageArchive(path: string, { images, blobs }: ArchiveContent): Promise<void> {
  const partial = `${path}.${process.pid}.partial`
  // Opened before anything is packed: a folder that is not there is told as that.
  const file = await open(partial, 'w')
  const archive = pack()
  const writing = pipeline(archive, file.createWriteStream())
  writing.catch(() => {})
  const text = (name: string, value: unknown) => archive.entry({ name, mtime: EPOCH }, JSON.stringify(value))
  const manifests = images.map(({ name, target: { mediaType, digest, size, platform } }) => ({
    mediaType,
    digest,
    size,
    ...(platform ? { platform } : {}),
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
  }))
  try {
    text('oci-layout', { imageLayoutVersion: '1.0.0' })
    text('index.json', { schemaVersion: 2, mediaType: MEDIA.index, manifests })
    const written = new Set<string>()
    for await (const { digest, size, bytes } of blobs) {
      if (written.has(digest)) continue
      written.add(digest)
      const entry = archive.entry({ name: `blobs/${digest.replace(':', '/')}`, size, mtime: EPOCH })
      // A failed file ends the wait too.
      const until = (event: string) => Promise.race([once(entry, event), writing])
      for await (const chunk of bytes()) if (!entry.write(chunk)) await until('drain')
      const finished = until('finish')
      entry.end(undefined)
      await finished
    }
    archive.finalize()
    await writing
    await rename(partial, path)
  } catch (error) {
    archive.destroy()
    await rm(partial, { force: true })
    throw error
  }
}
