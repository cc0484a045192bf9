// What a failed start says: one plain line with what to do next. What nobody foresaw goes into the log whole.
import { join } from 'node:path'
import { systemReason } from '#lib/system-reason.ts'
import type { ClusterConfig } from './config.ts'
import { CommandError, UsageError } from './errors.ts'
import { flagFor } from './instance.ts'

/** Errors of other rooms whose message is meant for the person at the terminal. */
const PLAIN = new Set(['CorruptStore', 'StoreWriteFailed', 'DamagedPki', 'MissingFeature', 'EtcdUnavailable', 'BadEncryptionConfiguration'])

export function startError(error: unknown, config: ClusterConfig, writeLog: (line: string) => void): CommandError | UsageError {
  if (error instanceof CommandError || error instanceof UsageError) return error
  const { code, name, message, path, port, address, stack } = (error instanceof Error ? error : new Error(String(error))) as SystemError
  // Rooms below know no flags: a command they advise is for this instance.
  if (PLAIN.has(name)) return new CommandError(message.replace('`sampan reset`', () => `\`sampan reset${flagFor(config.dataDirectory)}\``))
  if (code === 'EADDRINUSE' && port !== undefined && port !== config.port) {
    const other = 'is taken by another program, perhaps a kubelet of its own. Stop that, or use --nodes simulated.'
    return new CommandError(`port ${port} of ${address}, where the node answers, ${other}`)
  }
  if (code === 'EADDRINUSE')
    return new CommandError(`port ${config.port} is taken by another program. Choose another with --port, or 0 for any free one.`)
  if (code === 'EACCES' && /listen/.test(message))
    return new CommandError(`port ${config.port} may not be used by this user. Choose one above 1023 with --port.`)
  if (code === 'ENOSPC') {
    return new CommandError(
      `the disk of ${config.dataDirectory} is full: ${message}. Make room and start again, or choose another --data-dir.`,
    )
  }
  if (code && path) return new CommandError(`the cluster did not start: ${path}: ${systemReason(error)}`)
  writeLog(`${JSON.stringify({ level: 'error', message: 'the cluster did not start', error: stack ?? message })}\n`)
  const doctor = config.nodes.type === 'real' ? '; `sampan doctor` tells what this machine lacks' : ''
  return new CommandError(`the cluster did not start: ${message} (details in ${join(config.dataDirectory, 'sampan.log')}${doctor})`)
}

interface SystemError extends NodeJS.ErrnoException {
  port?: number
  address?: string
}
