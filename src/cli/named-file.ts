// Files that flags name: what keeps one from being read is told beside the flag.
import { readFileSync } from 'node:fs'
import { systemReason } from '#lib/system-reason.ts'
import { UsageError } from './errors.ts'

export function readNamedFile(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${flag} ${file}: ${systemReason(error)}`)
  }
}
