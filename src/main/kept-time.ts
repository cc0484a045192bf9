// How far a clock that is moved by hand has got, kept beside a store that outlives the process: objects are never of a time still to come.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface KeptTime {
  readonly startMs: number
  /** Before it moves: no object is later than what was kept. */
  keep(ms: number): void
}

/** Begins where it ended, or now where that is later. */
export function keptTime(directory: string, nowMs: number): KeptTime {
  const file = join(directory, 'clock')
  return {
    startMs: Math.max(nowMs, last(file)),
    keep(ms) {
      const draft = `${file}.new`
      try {
        writeFileSync(draft, `${new Date(ms).toISOString()}\n`, { mode: 0o600 })
        renameSync(draft, file)
      } catch {
        // A full disk: the next move is kept with this one.
      }
    },
  }
}

function last(file: string): number {
  try {
    return Date.parse(readFileSync(file, 'utf8').trim()) || 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}
