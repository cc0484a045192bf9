// `sampan kubeconfig`: credentials of a running instance, for a file or a pipe.
import { CommandError } from './errors.ts'
import { nothingRuns, pkiOf, runningInstance } from './instance.ts'
import { kubeconfigFor } from './kubeconfig-file.ts'
import type { Platform } from './platform.ts'

export async function printKubeconfig({ dataDir }: { dataDir: string }, platform: Platform): Promise<void> {
  const instance = runningInstance(dataDir)
  if (!instance?.url) throw nothingRuns(dataDir)
  const credentials = platform.credentials(pkiOf(dataDir, instance), instance.url)
  if (!credentials) throw new CommandError(`${dataDir} holds no credentials: it was never started to the end`)
  process.stdout.write(kubeconfigFor(credentials))
}
