// The composition root's front door: hands the command line what it asks for and loads the rooms only when a cluster is to be started.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Platform } from '#cli/platform.ts'
import { runProgram } from '#cli/program.ts'
import { systemClock } from '#lib/clock.ts'
import { createCommands } from '#lib/spawn-commands.ts'
import { tuneByLoad } from './v8-tuning.ts'

export interface Process {
  env: NodeJS.ProcessEnv
  /** For the next start, under the same flags of V8. */
  keepCompiled(): void
}

/** After a start most of what is ever called has been. */
const STARTED_MS = 2000

/** Runs one command line (without node and script) and resolves to the exit code. */
export async function run(words: readonly string[], { env, keepCompiled }: Process): Promise<number> {
  const clock = systemClock
  const tuning = tuneByLoad(clock)
  const keep = () => tuning.asAtStart(keepCompiled)
  const commands = createCommands({ clock, env })

  const platform: Platform = {
    clock,
    commands,
    async startCluster(config, options) {
      const { startCluster } = await import('./cluster.ts')
      const cluster = await startCluster(config, { ...options, clock, commands, env })
      clock.after(STARTED_MS, keep)
      return cluster
    },
    async startRole(config, options) {
      const { startRole } = await import('./roles.ts')
      const role = await startRole(config, { ...options, clock })
      clock.after(STARTED_MS, keep)
      return role
    },
    async images(dataDirectory) {
      const { imageTools } = await import('./real-node.ts')
      return imageTools(dataDirectory, clock)
    },
    async cleanUp(dataDirectory) {
      if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync(join(dataDirectory, 'containerd'))) return
      const { cleanUp } = await import('./real-node.ts')
      await cleanUp(dataDirectory, { clock, commands, env })
    },
    credentials(pkiDirectory, url) {
      const read = (name: string) => readFileSync(join(pkiDirectory, name), 'utf8')
      try {
        return { url, ca: read('ca.crt'), certificate: read('admin.crt'), key: read('admin.key') }
      } catch {
        return undefined
      }
    },
  }

  const code = await runProgram(words, platform)
  keep()
  return code
}
