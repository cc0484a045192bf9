// subPath mounts: a file or directory inside a volume, resolved so that no symbolic link a container left behind can lead out of it.
// The place is opened step by step without following links and bound by its descriptor, so it cannot be swapped in between.
import { chmodSync, closeSync, constants, mkdirSync, openSync, statSync } from 'node:fs'
import { mkdir, realpath, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import type { Mounter } from './mounts.ts'

const O_PATH = 0o10000000

export interface SubPathRequest {
  volume: string
  subPath: string
  /** Where the bound place appears on the host. */
  target: string
  readOnly: boolean
}

export async function bindSubPath(request: SubPathRequest, mounter: Mounter | undefined): Promise<string> {
  const { volume, subPath, target, readOnly } = request
  if (subPath.split('/').includes('..')) throw new Error(`failed to prepare subPath for volumeMount: subPath must not contain '..'`)
  const root = await realpath(volume)
  const inside = await resolveInside(root, subPath, { create: !readOnly })
  if (!mounter) return join(root, inside)
  if (await mounter.mounted(target)) return target
  const fd = openInside(root, inside)
  try {
    const path = `/proc/${process.pid}/fd/${fd}`
    await mkdir(dirname(target), { recursive: true, mode: 0o750 })
    if ((await stat(path)).isDirectory()) await mkdir(target, { recursive: true, mode: 0o750 })
    else await writeFile(target, '', { flag: 'a', mode: 0o640 })
    await mounter.bind(path, target)
    return target
  } finally {
    closeSync(fd)
  }
}

async function resolveInside(root: string, subPath: string, { create }: { create: boolean }): Promise<string> {
  const path = join(root, subPath)
  const found = await realpath(path).catch(() => undefined)
  if (found === undefined) {
    if (!create) throw new Error(`failed to prepare subPath for volumeMount: lstat ${path}: no such file or directory`)
    const parent = subPath.split('/').filter(Boolean)
    makeInside(root, parent)
    return parent.join('/')
  }
  const inside = relative(root, found)
  if (inside.startsWith(`..${sep}`) || inside === '..')
    throw new Error(`failed to prepare subPath for volumeMount: subpath ${path} not within volume path ${root}`)
  return inside
}

/** Makes missing directories, never through a link. */
function makeInside(root: string, parts: readonly string[]): void {
  const open: number[] = []
  try {
    let current = openSync(root, O_PATH | constants.O_DIRECTORY)
    open.push(current)
    // As the volume itself: who may write there may write here.
    const mode = statSync(root).mode & 0o7777
    for (const part of parts) {
      const next = `/proc/self/fd/${current}/${part}`
      try {
        mkdirSync(next)
        chmodSync(next, mode)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      current = openSync(next, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW)
      open.push(current)
    }
  } finally {
    for (const fd of open) closeSync(fd)
  }
}

function openInside(root: string, inside: string): number {
  let current = openSync(root, O_PATH | constants.O_DIRECTORY)
  for (const part of inside.split('/').filter(Boolean)) {
    try {
      const next = openSync(`/proc/self/fd/${current}/${part}`, O_PATH | constants.O_NOFOLLOW)
      closeSync(current)
      current = next
    } catch (error) {
      closeSync(current)
      throw error
    }
  }
  return current
}
