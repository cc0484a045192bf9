// `sampan reset`: deletes an instance's data directory and whatever a killed process left of it.
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError } from './errors.ts'
import { flagFor, runningInstance } from './instance.ts'
import { removeFromKubeconfig } from './kubeconfig-file.ts'
import { atTerminal, confirm, say } from './output.ts'
import type { Platform } from './platform.ts'

export async function reset({ dataDir, yes }: { dataDir: string; yes?: boolean }, platform: Platform): Promise<void> {
  const instance = runningInstance(dataDir)
  if (instance) throw new CommandError(`process ${instance.pid} runs in ${dataDir}: stop it with \`sampan down${flagFor(dataDir)}\` first`)
  if (!existsSync(dataDir)) {
    say(`nothing to delete: ${dataDir} does not exist`)
    return
  }
  if (!existsSync(`${dataDir}/format`)) throw new CommandError(`${dataDir} is not a data directory of sampan: nothing deleted`)
  if (!yes) {
    if (!atTerminal()) throw new CommandError('add --yes to delete everything without being asked')
    if (!(await confirm(`Delete ${dataDir} with all objects, volumes and images?`))) throw new CommandError('nothing deleted')
  }
  await platform.cleanUp(dataDir)
  removeFromKubeconfig(dataDir)
  for (const name of readdirSync(dataDir)) rmSync(join(dataDir, name), { recursive: true, force: true })
  try {
    rmdirSync(dataDir)
  } catch (error) {
    // A disk of its own, mounted there, stays, and so does a link that leads to the directory.
    if (!['EBUSY', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
  say(`deleted ${dataDir}`)
}
