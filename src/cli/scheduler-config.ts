// The file of a scheduler's configuration, as a flag names it. The configuration is read only when someone asks for it.
import { readFileSync } from 'node:fs'
import type { SchedulerConfiguration } from '#scheduler/configuration/configuration.ts'
import { UsageError } from './errors.ts'
import { readNamedFile } from './named-file.ts'

/** Throws UsageError. `within`: the scheduler runs inside a process that it shares. */
export async function readSchedulerConfiguration(
  flag: string,
  file: string,
  { within = false }: { within?: boolean } = {},
): Promise<SchedulerConfiguration> {
  const { parseSchedulerConfiguration } = await import('#scheduler/configuration/configuration.ts')
  const { ConfigurationError } = await import('#api/configuration-file.ts')
  const refuse = (why: string) => new UsageError(`${flag} ${file}: ${why}`)
  const text = readNamedFile(flag, file)
  try {
    const configuration = parseSchedulerConfiguration(text, (path) => readFileSync(path, 'utf8'))
    if (within && configuration.leaderElection?.leaderElect)
      throw refuse('leaderElection.leaderElect: true is for `sampan scheduler`: the scheduler of `sampan up` is the only one there')
    if (within && configuration.kubeconfig) throw refuse('clientConnection.kubeconfig is for `sampan scheduler`')
    return configuration
  } catch (error) {
    throw error instanceof ConfigurationError ? refuse(error.message) : error
  }
}
