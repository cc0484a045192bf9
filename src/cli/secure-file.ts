// A file only its owner may read, replaced in one step.
import { renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeDirectories } from '#lib/make-directories.ts'

export function writeFileSecurely(file: string, text: string): void {
  makeDirectories(dirname(file))
  const draft = `${file}.${process.pid}.new`
  writeFileSync(draft, text, { mode: 0o600 })
  renameSync(draft, file)
}
