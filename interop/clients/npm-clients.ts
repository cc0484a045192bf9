// Clients from npm, of many ages of the official library, installed by the lock file beside this once into a cache that git does not see.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CACHE, isUnreachable } from './pinned.ts'

const HOME = fileURLToPath(new URL('npm', import.meta.url))

/** Installs them if they are not there; the folder whose `node_modules` has them, or why it cannot be had. */
export function installNpmClients(): { folder: string; skip: string | false } {
  const lock = readFileSync(join(HOME, 'package-lock.json'))
  const folder = join(CACHE, `npm-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`)
  if (existsSync(folder)) return { folder, skip: false }
  mkdirSync(CACHE, { recursive: true })
  const draft = mkdtempSync(join(CACHE, '.npm-'))
  try {
    for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(HOME, file), join(draft, file))
    const words = [
      'ci',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      '--fetch-retries=1',
      '--fetch-retry-mintimeout=1000',
    ]
    execFileSync('npm', words, { cwd: draft, encoding: 'utf8', stdio: 'pipe', timeout: 300_000 })
    renameSync(draft, folder)
    return { folder, skip: false }
  } catch (error) {
    if (isUnreachable(error)) return { folder, skip: 'the npm registry cannot be reached' }
    throw error
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}
