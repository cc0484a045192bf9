// The composition root's front door: hands the command line what it asks for and loads the rooms only when a cluster is to be started.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Platform } from '#cli/platform.ts'
import { runProgram } from '#cli/program.ts'
import { systemClock } from '#lib/clock.ts'
import { findSources } from '#lib/source-imports.ts'
import { createCommands } from '#lib/spawn-commands.ts'
import { tuneByLoad } from './main/v8-tuning.ts'

findSources(new URL('.', import.meta.url).href)

// Root's PATH may lack the folders of system programs (after a plain `su`), and what is looked for there is always in one of them.
process.env.PATH = [process.env.PATH, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter(Boolean).join(':')

const clock = systemClock
tuneByLoad(clock)
const commands = createCommands({ clock, env: process.env })

const platform: Platform = {
  clock,
  commands,
  async startCluster(config, options) {
    const { startCluster } = await import('./main/cluster.ts')
    return startCluster(config, { ...options, clock, commands, env: process.env })
  },
  async startRole(config, options) {
    const { startRole } = await import('./main/roles.ts')
    return startRole(config, { ...options, clock })
  },
  async images(dataDirectory) {
    const { imageTools } = await import('./main/real-node.ts')
    return imageTools(dataDirectory, clock)
  },
  async cleanUp(dataDirectory) {
    if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync(join(dataDirectory, 'containerd'))) return
    const { cleanUp } = await import('./main/real-node.ts')
    await cleanUp(dataDirectory, { clock, commands, env: process.env })
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

process.exitCode = await runProgram(process.argv.slice(2), platform)
