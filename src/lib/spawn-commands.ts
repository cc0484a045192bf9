// Commands through posix_spawn, which shares memory until exec instead of copying page tables: a start costs the same with 50 MB or 5 GB
// resident, so no helper process is needed. Linux only; output and time are bounded. Never a shell.
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { lib, type Posix } from './posix.ts'
import type { Clock } from './clock.ts'
import type { CommandResult, Commands } from './commands.ts'

const OUTPUT_LIMIT = 16 * 1024 * 1024
const DEFAULT_TIMEOUT_MS = 30_000

export function createCommands({ clock, env }: { clock: Clock; env: Readonly<Record<string, string | undefined>> }): Commands {
  return {
    async run(argv, options = {}) {
      const posix = lib()
      const environment = Object.entries({ ...env, ...options.env }).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}=${value}`],
      )
      const [stdinRead, stdinWrite] = posix.pipe()
      const [outRead, outWrite] = posix.pipe()
      const [errRead, errWrite] = posix.pipe()
      let pid: number
      try {
        pid = posix.spawn(argv, { environment, stdin: stdinRead, stdout: outWrite, stderr: errWrite })
      } catch (error) {
        for (const fd of [stdinWrite, outRead, errRead]) closeSync(fd)
        throw error
      } finally {
        for (const fd of [stdinRead, outWrite, errWrite]) closeSync(fd)
      }
      using _limit = clock.after(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, () => posix.kill(pid))
      const input = new Socket({ fd: stdinWrite, readable: false, writable: true })
      input.on('error', () => {}) // The program may end without reading its input.
      input.end(options.stdin ?? '')
      const [stdout, stderr] = await Promise.all([readAll(outRead), readAll(errRead)])
      input.destroy()
      return { code: await exitCode(posix, { pid, clock }), stdout, stderr } satisfies CommandResult
    },
  }
}

async function readAll(fd: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of new Socket({ fd, readable: true, writable: false })) {
    size += (chunk as Buffer).length
    if (size <= OUTPUT_LIMIT) chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}

/** Both outputs are closed, so the program is at its end: it is reaped at once or within a few short waits. */
async function exitCode(posix: Posix, { pid, clock }: { pid: number; clock: Clock }): Promise<number> {
  for (let waitMs = 0; ; waitMs = Math.min(waitMs + 1, 20)) {
    const code = posix.reap(pid)
    if (code !== undefined) return code
    await clock.sleep(waitMs)
  }
}
