// `sampan down`: asks a running instance to stop and waits until it has.
import { CommandError } from './errors.ts'
import { flagFor, runningInstance, startTimeOf } from './instance.ts'
import { removeFromKubeconfig } from './kubeconfig-file.ts'
import { say } from './output.ts'
import type { Platform } from './platform.ts'

const STOP_TIMEOUT_MS = 120_000

export async function down({ dataDir }: { dataDir: string }, platform: Platform): Promise<void> {
  const instance = runningInstance(dataDir)
  if (!instance) {
    // A killed instance may have left containers and entries behind: they go too.
    await platform.cleanUp(dataDir)
    removeFromKubeconfig(dataDir)
    say(`nothing runs in ${dataDir}`)
    return
  }
  try {
    process.kill(instance.pid, 'SIGTERM')
  } catch (error) {
    throw new CommandError(`process ${instance.pid} cannot be stopped: ${(error as Error).message}. It belongs to another user.`)
  }
  const began = platform.clock.monotonic()
  while (startTimeOf(instance.pid) === instance.startTime) {
    if (platform.clock.monotonic() - began > STOP_TIMEOUT_MS) {
      throw new CommandError(
        `process ${instance.pid} did not stop within ${STOP_TIMEOUT_MS / 1000} s; its pods may take long to end. Run \`sampan down${flagFor(dataDir)}\` again to wait on.`,
      )
    }
    await platform.clock.sleep(20)
  }
  say(`stopped (${Math.round(platform.clock.monotonic() - began)} ms); start again with \`sampan up${flagFor(dataDir)}\``)
}
