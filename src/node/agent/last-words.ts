// A container's termination message: what it wrote to its file or, where the policy says so and it failed, the end of its log.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container } from '#node/runtime.ts'
import { ANNOTATION, LABEL, podLogDirectory, terminationLogPath } from './identity.ts'

const MESSAGE_LIMIT = 4096
const LOG_BYTES = 2048
const LOG_LINES = 80
const READ_BYTES = 64 * 1024

/** undefined: there is nothing to say; the runtime's own message stands. */
export async function lastWords(
  container: Container,
  directories: { podDirectory(uid: string): string; logDirectory: string },
): Promise<string | undefined> {
  const { labels, annotations, attempt, exitCode } = container
  const uid = labels[LABEL.podUid] ?? ''
  const name = labels[LABEL.container] ?? container.name
  const own = await firstBytes(terminationLogPath(directories.podDirectory(uid), name, attempt))
  if (own) return own
  if (exitCode === 0 || annotations[ANNOTATION.terminationMessagePolicy] !== 'FallbackToLogsOnError') return undefined
  const identity = { uid, namespace: labels[LABEL.podNamespace] ?? '', name: labels[LABEL.podName] ?? '' }
  return logTail(join(podLogDirectory(directories.logDirectory, identity), name, `${attempt}.log`))
}

async function firstBytes(path: string): Promise<string> {
  try {
    await using file = await open(path)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MESSAGE_LIMIT), 0, MESSAGE_LIMIT, 0)
    return buffer.subarray(0, bytesRead).toString()
  } catch {
    return ''
  }
}

async function logTail(path: string): Promise<string | undefined> {
  const text = await lastBytes(path)
  // `<time> <stream> <F|P> <text>`
  const lines = text.split('\n').flatMap((line) => {
    const match = /^\S+ (?:stdout|stderr) ([FP]\S*) (.*)$/s.exec(line)
    return match ? [match[1] === 'P' ? match[2]! : `${match[2]}\n`] : []
  })
  const tail = lines.slice(-LOG_LINES).join('')
  const bytes = Buffer.from(tail)
  return bytes.length === 0 ? undefined : bytes.subarray(Math.max(0, bytes.length - LOG_BYTES)).toString()
}

async function lastBytes(path: string): Promise<string> {
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    const length = Math.min(size, READ_BYTES)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.subarray(0, bytesRead).toString()
  } catch {
    return ''
  }
}
