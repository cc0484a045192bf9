// containerd's own image and content services, for what CRI cannot do: bringing images in from files and giving them out again.
import type { Clock } from '#lib/clock.ts'
import { GrpcChannel } from '#lib/grpc/channel.ts'
import { hasGrpcCode } from '#lib/grpc/grpc-error.ts'
import { loadSchema } from '#node/cri/schema.ts'
import type { Descriptor } from './oci.ts'

export interface ContainerdImages extends Disposable {
  /** undefined: no image of that full name. */
  find(name: string): Promise<Descriptor | undefined>
  /** Creates the name or points it elsewhere. */
  tag(name: string, target: Descriptor): Promise<void>
  /** Takes the name away; what else points at the image keeps it. */
  untag(name: string): Promise<void>
  /** What `write` stores inside `task` is safe from the garbage collector until the task has ended. */
  protect<T>(task: (content: ContentWriter) => Promise<T>): Promise<T>
  /** Bytes of a blob, or undefined where it is not stored. */
  sizeOf(digest: string): Promise<number | undefined>
  read(digest: string): AsyncIterable<Buffer>
}

export interface ContentWriter {
  /** Verifies the digest. `children` are kept as long as this blob is. Content that is already here is not sent again. */
  write(
    blob: Pick<Descriptor, 'digest' | 'size'>,
    options: { children?: readonly Descriptor[]; bytes(): AsyncIterable<Uint8Array> },
  ): Promise<void>
}

const NAMESPACE = { 'containerd-namespace': 'k8s.io' }
const CALL_MS = 60_000
const CHUNK_BYTES = 1024 * 1024
const LEASE_HOURS = 1
/** By this label containerd's CRI side knows an image as its own. */
const MANAGED = { 'io.cri-containerd.image': 'managed' }

export function openContainerdImages({ endpoint, clock }: { endpoint: string; clock: Clock }): ContainerdImages {
  const channel = new GrpcChannel(endpoint, { schema: loadSchema(), clock })
  const options = { deadlineMs: CALL_MS, metadata: NAMESPACE }

  const find = async (name: string) => {
    try {
      return (await channel.unary<{ image: { target: Descriptor } }>('Images.Get', { name }, options)).image.target
    } catch (error) {
      if (hasGrpcCode(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }

  return {
    find,
    async tag(name, { mediaType, digest, size }) {
      const image = { name, target: { mediaType, digest, size }, labels: MANAGED }
      try {
        await channel.unary('Images.Create', { image }, options)
      } catch (error) {
        if (!hasGrpcCode(error, 'ALREADY_EXISTS')) throw error
        await channel.unary('Images.Update', { image, updateMask: { paths: ['target', 'labels'] } }, options)
      }
    },
    async untag(name) {
      await channel.unary('Images.Delete', { name }, options)
    },
    async protect(task) {
      const id = `sampan-load-${clock.now()}-${process.pid}`
      const expires = new Date(clock.now() + LEASE_HOURS * 3_600_000).toISOString()
      await channel.unary('Leases.Create', { id, labels: { 'containerd.io/gc.expire': expires } }, options)
      const metadata = { ...NAMESPACE, 'containerd-lease': id }
      try {
        return await task({ write: (blob, source) => writeBlob(channel, { blob, source, metadata }) })
      } finally {
        await channel.unary('Leases.Delete', { id }, options)
      }
    },
    async sizeOf(digest) {
      try {
        return (await channel.unary<{ info: { size: number } }>('Content.Info', { digest }, options)).info.size
      } catch (error) {
        if (hasGrpcCode(error, 'NOT_FOUND')) return undefined
        throw error
      }
    },
    async *read(digest) {
      for await (const { data } of channel.serverStream<{ data: Buffer }>('Content.Read', { digest }, { metadata: NAMESPACE })) yield data
    },
    [Symbol.dispose]: () => channel[Symbol.dispose](),
  }
}

async function writeBlob(
  channel: GrpcChannel,
  {
    blob,
    source,
    metadata,
  }: { blob: Pick<Descriptor, 'digest' | 'size'>; source: Parameters<ContentWriter['write']>[1]; metadata: Record<string, string> },
): Promise<void> {
  const labels: Record<string, string> = {}
  for (const [index, child] of (source.children ?? []).entries()) labels[`containerd.io/gc.ref.content.${index}`] = child.digest
  const about = { ref: `sampan-${blob.digest}`, total: blob.size, expected: blob.digest }
  await using call = channel.duplex<object, { offset: number }>('Content.Write', { metadata })
  try {
    let { offset } = await call.exchange({ action: 'STAT', ...about })
    // A load that was cut off left its beginning behind; what follows would have to line up with it.
    if (offset > 0) {
      await channel.unary('Content.Abort', { ref: about.ref }, { metadata, deadlineMs: CALL_MS })
      return await writeBlob(channel, { blob, source, metadata })
    }
    for await (const bytes of source.bytes()) {
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        const data = bytes.subarray(at, at + CHUNK_BYTES)
        await call.exchange({ action: 'WRITE', ...about, offset, data })
        offset += data.length
      }
    }
    await call.exchange({ action: 'COMMIT', ...about, offset, labels })
  } catch (error) {
    if (!hasGrpcCode(error, 'ALREADY_EXISTS')) throw error
  }
}
