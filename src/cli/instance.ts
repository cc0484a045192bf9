// Which process runs a data directory: a file taken before anything else is touched and removed at an orderly end. What a killed process
// left behind is recognised by its start time, so a reused pid is never mistaken for it.
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectories } from '#lib/make-directories.ts'
import { systemReason } from '#lib/system-reason.ts'
import { CommandError } from './errors.ts'

/** Grows when the layout of the data directory changes so that an older program could not read it. */
const DATA_FORMAT = 1
const ROOTS_DIRECTORY = '/var/lib/sampan'

export interface Instance {
  pid: number
  /** Of the process, as the kernel counts it; tells a reused pid from the same process. */
  startTime: string
  version: string
  /** Present once ready. */
  url?: string
  nodes?: string
  kubeconfig?: string
  /** Where it is not `pki` in the data directory. */
  pkiDirectory?: string
  readyAt?: number
}

const file = (dataDirectory: string) => join(dataDirectory, 'instance.json')

/** Takes the directory for this process, or says who has it. The returned value gives it back. */
export function takeDataDirectory(dataDirectory: string, version: string): { update(fields: Partial<Instance>): void } & Disposable {
  makeDataDirectory(dataDirectory)
  const own: Instance = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '', version }
  for (let attempt = 0; ; attempt++) {
    try {
      const descriptor = openSync(file(dataDirectory), 'wx', 0o600)
      writeSync(descriptor, JSON.stringify(own))
      closeSync(descriptor)
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 3) throw unusable(dataDirectory, error)
      const other = runningInstance(dataDirectory)
      if (other) throw inUse(dataDirectory, other)
      rmSync(file(dataDirectory), { force: true })
    }
  }
  try {
    checkFormat(dataDirectory)
  } catch (error) {
    rmSync(file(dataDirectory), { force: true })
    throw error
  }
  let present = own
  return {
    update(fields) {
      present = { ...present, ...fields }
      const draft = `${file(dataDirectory)}.new`
      writeFileSync(draft, JSON.stringify(present), { mode: 0o600 })
      renameSync(draft, file(dataDirectory))
    },
    [Symbol.dispose]() {
      rmSync(file(dataDirectory), { force: true })
    },
  }
}

/** The live instance of that directory, if there is one. Throws CommandError where nobody may look. */
export function runningInstance(dataDirectory: string): Instance | undefined {
  let instance: Instance
  try {
    instance = JSON.parse(readFileSync(file(dataDirectory), 'utf8')) as Instance
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES')
      throw new CommandError(`${dataDirectory} may not be read by this user. Use sudo, or name another with --data-dir.`)
    return undefined
  }
  const startTime = startTimeOf(instance.pid)
  return startTime !== undefined && startTime === instance.startTime ? instance : undefined
}

export function inUse(dataDirectory: string, { pid }: Instance): CommandError {
  const stop = `sampan down${flagFor(dataDirectory)}`
  return new CommandError(
    `${dataDirectory} is in use by a running instance (process ${pid}). Stop it with \`${stop}\`, or choose another --data-dir.`,
  )
}

/** `flags`: what else the instance is to be started with. */
export function nothingRuns(dataDirectory: string, flags = ''): CommandError {
  const start = `sampan up${flagFor(dataDirectory)}${flags}`
  const others = process.getuid?.() !== 0 && dataDirectory === defaultDataDirectory() && existsSync(ROOTS_DIRECTORY)
  const hint = others ? `; if root started one, use sudo` : ''
  return new CommandError(`nothing runs in ${dataDirectory}: start it with \`${start}\`${hint}`)
}

export function pkiOf(dataDirectory: string, { pkiDirectory }: Instance): string {
  return pkiDirectory ?? join(dataDirectory, 'pki')
}

/** Field 22 of /proc/PID/stat; where there is no /proc, whether the process is alive is all that can be told. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    if (process.platform === 'linux') return undefined
  }
  try {
    process.kill(pid, 0)
    return 'alive'
  } catch {
    return undefined
  }
}

/** As it can be copied into a shell. */
export function flagFor(dataDirectory: string): string {
  if (dataDirectory === defaultDataDirectory()) return ''
  const plain = /^[\p{L}\p{N}_@%+=:,./-]+$/u.test(dataDirectory)
  return ` --data-dir ${plain ? dataDirectory : `'${dataDirectory.replaceAll("'", "'\\''")}'`}`
}

export function defaultDataDirectory(): string {
  return process.getuid?.() === 0
    ? ROOTS_DIRECTORY
    : join(process.env.XDG_DATA_HOME || join(process.env.HOME || '/tmp', '.local/share'), 'sampan')
}

export function makeDataDirectory(dataDirectory: string): void {
  try {
    makeDirectories(dataDirectory, { mode: 0o700 })
  } catch (error) {
    throw unusable(dataDirectory, error)
  }
}

export function unusable(dataDirectory: string, error: unknown): CommandError {
  return new CommandError(
    `the data directory ${dataDirectory} cannot be used: ${systemReason(error)}. Mend that, or choose another with --data-dir.`,
  )
}

function checkFormat(dataDirectory: string): void {
  const path = join(dataDirectory, 'format')
  let written = ''
  try {
    written = readFileSync(path, 'utf8').trim()
  } catch {}
  // Empty is what a full disk leaves of a first start.
  if (written === '') {
    try {
      writeFileSync(path, `${DATA_FORMAT}\n`, { mode: 0o600 })
    } catch (error) {
      throw unusable(dataDirectory, error)
    }
    return
  }
  const format = Number(written)
  if (!Number.isInteger(format) || format < 1)
    throw new CommandError(
      `${path} holds "${written.slice(0, 20)}" where a format number was expected: is ${dataDirectory} a data directory of sampan?`,
    )
  if (format > DATA_FORMAT) {
    throw new CommandError(
      `${dataDirectory} was written by a newer version (format ${format}; this one knows up to ${DATA_FORMAT}). Use that version, or choose another --data-dir.`,
    )
  }
}
