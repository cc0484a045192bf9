// sampan.log in the data directory: appended to line by line; past 20 MiB it is set aside, over the one before.
import { appendFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'

const LOG_LIMIT = 20 * 1024 * 1024

export function openLog(dataDirectory: string): (line: string) => void {
  const path = join(dataDirectory, 'sampan.log')
  let size = 0
  try {
    size = statSync(path).size
  } catch {
    // The first start: there is no log yet.
  }
  return (line) => {
    try {
      if (size > LOG_LIMIT) {
        renameSync(path, `${path}.1`)
        size = 0
      }
      appendFileSync(path, line, { mode: 0o600 })
      size += line.length
    } catch {
      // A full disk must not stop the cluster; the line is lost.
    }
  }
}
