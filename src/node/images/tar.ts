// Tar files in memory, by tar-stream. Entries come out in the order given, with fixed times, so equal input gives equal bytes.
import { pack } from 'tar-stream'

export interface TarEntry {
  name: string
  content?: Buffer
  type?: 'file' | 'directory' | 'symlink'
  linkname?: string
  mode?: number
  uid?: number
  gid?: number
}

export const EPOCH = new Date(0)

export async function packTar(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack()
  for (const { name, content, type = 'file', linkname, mode, uid = 0, gid = 0 } of entries) {
    const header = { name, type, uid, gid, mtime: EPOCH, mode: mode ?? (type === 'directory' ? 0o755 : 0o644) }
    archive.entry(linkname === undefined ? header : { ...header, linkname }, content ?? Buffer.alloc(0))
  }
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
