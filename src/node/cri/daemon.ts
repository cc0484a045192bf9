// A background program that outlives this process: started in a session of its own, found again by a record of its pid and start time, so that
// a pid taken over by some other program is never mistaken for it.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import type { Clock } from '#lib/clock.ts'

export interface DaemonRecord {
  pid: number
  /** Clock ticks since boot, and the boot they count from. */
  started: string
  /** Of the configuration it was started with. */
  configHash: string
}

const LOG_LIMIT_BYTES = 16 * 1024 * 1024

export function startDaemon(
  argv: readonly string[],
  { recordFile, logFile, configHash, env }: { recordFile: string; logFile: string; configHash: string; env: Record<string, string> },
): DaemonRecord {
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT_BYTES) truncateSync(logFile)
  const output = openSync(logFile, 'a', 0o600)
  try {
    const child = spawn(argv[0]!, argv.slice(1), { detached: true, stdio: ['ignore', output, output], env, cwd: '/' })
    // A program that cannot be started has no pid; the event only repeats it.
    child.on('error', () => {})
    child.unref()
    if (child.pid === undefined) throw new Error(`cannot start ${argv[0]}`)
    const record = { pid: child.pid, started: startTime(child.pid) ?? '', configHash }
    writeFileSync(`${recordFile}.new`, JSON.stringify(record), { mode: 0o600 })
    renameSync(`${recordFile}.new`, recordFile)
    return record
  } finally {
    closeSync(output)
  }
}

/** The daemon of a record file, if it still runs. */
export function findDaemon(recordFile: string): DaemonRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(recordFile, 'utf8')) as DaemonRecord
    return isRunning(record) ? record : undefined
  } catch {
    return undefined
  }
}

export function isRunning({ pid, started }: DaemonRecord): boolean {
  return started !== '' && startTime(pid) === started
}

/** SIGTERM, then SIGKILL after `patienceMs`. Resolves when it is gone. */
export async function stopDaemon(
  record: DaemonRecord,
  { recordFile, clock, patienceMs }: { recordFile: string; clock: Clock; patienceMs: number },
) {
  const began = clock.monotonic()
  let forced = false
  if (isRunning(record)) process.kill(record.pid, 'SIGTERM')
  while (isRunning(record)) {
    if (!forced && clock.monotonic() - began > patienceMs) {
      process.kill(record.pid, 'SIGKILL')
      forced = true
    }
    await clock.sleep(5)
  }
  rmSync(recordFile, { force: true })
}

function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19]}`
  } catch {
    return undefined
  }
}
