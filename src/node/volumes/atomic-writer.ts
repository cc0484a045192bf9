// Files of a volume replaced all at once: each version in a directory of its own, `..data` pointing at the current one, and a link per
// file through it. A reader sees the old files or the new ones, never a mixture. The layout is the kubelet's; programs rely on it.
import { chmod, chown, lstat, mkdir, readdir, readlink, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'

export interface VolumeFile {
  data: Buffer
  mode: number
  uid?: number
}

/** Keys are relative paths. */
export type Payload = ReadonlyMap<string, VolumeFile>

const DATA = '..data'
const DATA_NEXT = '..data_tmp'
const PATH_LIMIT = 4096

export async function writeAtomically(directory: string, payload: Payload, options: { version: string; fsGroup?: number }): Promise<void> {
  for (const path of payload.keys()) assertSafe(path)
  const version = `..${options.version}`
  const home = join(directory, version)
  const previous = await readlink(join(directory, DATA)).catch(() => undefined)
  await mkdir(home, { mode: 0o755 })
  for (const [path, file] of payload) {
    const target = join(home, path)
    await mkdir(dirname(target), { recursive: true, mode: 0o755 })
    await writeFile(target, file.data, { mode: 0o600 })
    await chmod(target, file.mode)
    if (file.uid !== undefined || options.fsGroup !== undefined) await chown(target, file.uid ?? 0, options.fsGroup ?? 0)
    if (options.fsGroup !== undefined) await chmod(target, file.mode | 0o440)
  }
  await rm(join(directory, DATA_NEXT), { force: true })
  await symlink(version, join(directory, DATA_NEXT))
  await rename(join(directory, DATA_NEXT), join(directory, DATA))
  await linkVisible(directory, payload)
  if (previous && previous !== version) await rm(join(directory, previous), { recursive: true, force: true })
}

async function linkVisible(directory: string, payload: Payload): Promise<void> {
  const visible = new Set([...payload.keys()].map((path) => path.split('/')[0]!))
  for (const name of visible) {
    const link = join(directory, name)
    const present = await lstat(link).catch(() => undefined)
    if (!present) await symlink(join(DATA, name), link)
  }
  for (const name of await readdir(directory)) {
    if (!name.startsWith('..') && !visible.has(name)) await unlink(join(directory, name))
  }
}

function assertSafe(path: string): void {
  if (path === '' || isAbsolute(path)) throw new Error(`invalid path: must be relative path: ${path}`)
  if (path.length > PATH_LIMIT) throw new Error(`invalid path: must be less than or equal to ${PATH_LIMIT} characters`)
  const parts = path.split('/')
  if (parts.includes('..')) throw new Error(`invalid path: must not contain '..': ${path}`)
  if (parts[0]!.startsWith('..')) throw new Error(`invalid path: must not start with '..': ${path}`)
}
