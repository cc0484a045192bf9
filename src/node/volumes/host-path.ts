// hostPath volumes: the path itself, checked against the type the pod expects, and made where the type says so.
import { constants } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { HostPathVolumeSource } from '#api/generated/types.ts'

export async function hostPath({ path, type }: HostPathVolumeSource): Promise<string> {
  if (!type) return path
  const failed = (what: string) => new Error(`hostPath type check failed: ${path} is not a ${what}`)
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 })
  if (type === 'FileOrCreate' && !(await present(path))) {
    if (!(await present(dirname(path)))) throw new Error(`open ${path}: no such file or directory`)
    await (await open(path, constants.O_CREAT | constants.O_RDONLY, 0o644)).close()
  }
  const found = await stat(path).catch(() => undefined)
  switch (type) {
    case 'Directory':
    case 'DirectoryOrCreate':
      if (!found?.isDirectory()) throw failed('directory')
      break
    case 'File':
    case 'FileOrCreate':
      if (!found?.isFile()) throw failed('file')
      break
    case 'Socket':
      if (!found?.isSocket()) throw failed('socket file')
      break
    case 'CharDevice':
      if (!found?.isCharacterDevice()) throw failed('character device')
      break
    case 'BlockDevice':
      if (!found?.isBlockDevice()) throw failed('block device')
      break
    default:
      throw new Error(`${type} is an invalid volume type`)
  }
  return path
}

async function present(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
