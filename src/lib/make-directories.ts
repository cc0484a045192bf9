// `mkdir -p`. Node's own goes round for ever where a folder says that what is to be made in it does not exist, as those of /proc do.
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

export function makeDirectories(path: string, { mode = 0o777 }: { mode?: number } = {}): void {
  if (isDirectory(path)) return
  if (dirname(path) !== path) makeDirectories(dirname(path), { mode })
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    // Somebody else may have made it just now.
    if (!isDirectory(path))
      throw Object.assign(new Error(`ENOTDIR: not a directory, mkdir '${path}'`), { code: 'ENOTDIR', syscall: 'mkdir', path })
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
