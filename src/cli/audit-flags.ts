// What is recorded of requests, and where to, as it is said on the command line: upstream's flags by upstream's names and with its defaults.
import { resolve } from 'node:path'
import type { AuditDelivery, AuditMode } from '#server/audit/delivery.ts'
import type { AuditLogOptions } from '#server/audit/log-file.ts'
import { parseGoDuration } from '#lib/duration.ts'
import type { Flag } from './access-flags.ts'
import { UsageError } from './errors.ts'

export interface AuditChoice {
  policyFile: string
  log?: AuditLogOptions & { delivery: AuditDelivery }
  webhook?: { configFile: string; initialBackoffMs: number; delivery: AuditDelivery }
}

const MODES = ['batch', 'blocking', 'blocking-strict']
const VERSION = 'audit.k8s.io/v1'
const MAX_BATCH_BYTES = 10 * 1024 * 1024
const MAX_EVENT_BYTES = 100 * 1024
const WEBHOOK_AT_ONCE = 16

type Parse = (name: string) => Flag['parse']

const file: Parse = () => (text) => resolve(text)
const number: Parse = (name) => (text) => {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${name} ${text}: say a number`)
  return Number(text)
}
const rate: Parse = (name) => (text) => {
  if (!/^\d{1,6}(\.\d{1,6})?$/.test(text)) throw new UsageError(`${name} ${text}: say a number`)
  return Number(text)
}
const milliseconds: Parse = (name) => (text) => {
  const value = parseGoDuration(text)
  if (value === undefined || value < 0) throw new UsageError(`${name} ${text}: a duration is needed, such as 30s or 500ms`)
  return value
}
const choice =
  (allowed: readonly string[]): Parse =>
  (name) =>
  (text) => {
    if (allowed.includes(text)) return text
    throw new UsageError(`${name} ${text}: ${allowed.length === 1 ? `${allowed[0]} is the only one` : `say ${allowed.join(', ')}`}`)
  }
const truth: Parse = (name) => (text) => choice(['true', 'false'])(name)(text, undefined) === 'true'

function flag(flags: string, description: string, parse: Parse): Flag {
  return { flags, description, parse: parse(flags.split(' ')[0]!) }
}

/** The flags both backends have. */
const both = (backend: 'log' | 'webhook'): Flag[] => [
  flag(`--audit-${backend}-mode <mode>`, 'batch: later, together; blocking: requests wait; blocking-strict: or fail', choice(MODES)),
  flag(`--audit-${backend}-version <version>`, `${VERSION}, the only one`, choice([VERSION])),
  flag(`--audit-${backend}-batch-buffer-size <n>`, 'events that may wait; default: 10000', number),
  flag(`--audit-${backend}-batch-max-size <n>`, 'events of a batch', number),
  flag(`--audit-${backend}-batch-max-wait <time>`, 'how long a batch gathers', milliseconds),
  flag(`--audit-${backend}-batch-throttle-enable [bool]`, 'whether batches are sent at most so fast', truth),
  flag(`--audit-${backend}-batch-throttle-qps <n>`, 'batches a second', rate),
  flag(`--audit-${backend}-batch-throttle-burst <n>`, 'batches at once after a rest', number),
  flag(`--audit-${backend}-truncate-enabled [bool]`, 'whether events that are too large lose their objects', truth),
  flag(`--audit-${backend}-truncate-max-batch-size <bytes>`, `bytes of the largest batch; default: ${MAX_BATCH_BYTES}`, number),
  flag(`--audit-${backend}-truncate-max-event-size <bytes>`, `bytes of the largest event; default: ${MAX_EVENT_BYTES}`, number),
]

export const AUDIT_FLAGS: readonly Flag[] = [
  flag('--audit-policy-file <file>', 'what to record of which requests: a Policy of audit.k8s.io/v1', file),
  flag('--audit-log-path <file>', 'where to record it; - is standard output', () => (text) => (text === '-' ? text : resolve(text))),
  flag('--audit-log-format <format>', 'json, the only one', choice(['json'])),
  flag('--audit-log-maxsize <megabytes>', 'size at which a new file is begun; default: 100', number),
  flag('--audit-log-maxage <days>', 'how long older files are kept; default: for ever', number),
  flag('--audit-log-maxbackup <n>', 'how many older files are kept; default: all', number),
  ...both('log'),
  flag('--audit-webhook-config-file <file>', 'kubeconfig of a program that is sent what is recorded', file),
  flag('--audit-webhook-initial-backoff <time>', 'how long to wait before the first second try; default: 10s', milliseconds),
  ...both('webhook'),
]

type Options = Readonly<Record<string, unknown>>

/** Those of a command's options that are about audit; undefined: nothing is recorded. */
export function auditChoiceOf(options: object): AuditChoice | undefined {
  const given = options as Options
  const [policyFile, path, configFile] = ['auditPolicyFile', 'auditLogPath', 'auditWebhookConfigFile'].map((name) => given[name] as string)
  for (const [backend, needed, present] of [
    ['Log', '--audit-log-path', path],
    ['Webhook', '--audit-webhook-config-file', configFile],
  ] as const) {
    const useless = Object.keys(given).find((name) => name.startsWith(`audit${backend}`) && given[name] !== undefined)
    if (!present && useless) throw new UsageError(`${flagOf(useless)} needs ${needed}`)
  }
  if (!policyFile && !path && !configFile) return undefined
  if (!policyFile)
    throw new UsageError(`${path ? '--audit-log-path' : '--audit-webhook-config-file'} needs --audit-policy-file: what to record`)
  if (!path && !configFile)
    throw new UsageError('--audit-policy-file needs --audit-log-path or --audit-webhook-config-file: where to record it')
  const log = path && {
    path,
    maxSizeMegabytes: (given['auditLogMaxsize'] as number | undefined) || 100,
    maxAgeDays: (given['auditLogMaxage'] as number | undefined) ?? 0,
    maxBackups: (given['auditLogMaxbackup'] as number | undefined) ?? 0,
    delivery: deliveryOf(given, 'Log', { mode: 'blocking', maxSize: 1, maxWaitMs: 0, throttle: false, qps: 0, burst: 0, atOnce: 1 }),
  }
  const webhook = configFile && {
    configFile,
    initialBackoffMs: (given['auditWebhookInitialBackoff'] as number | undefined) ?? 10_000,
    delivery: deliveryOf(given, 'Webhook', {
      mode: 'batch',
      maxSize: 400,
      maxWaitMs: 30_000,
      throttle: true,
      qps: 10,
      burst: 15,
      atOnce: WEBHOOK_AT_ONCE,
    }),
  }
  return { policyFile, ...(log ? { log } : {}), ...(webhook ? { webhook } : {}) }
}

const flagOf = (field: string): string => `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

interface Defaults {
  mode: AuditMode
  maxSize: number
  maxWaitMs: number
  throttle: boolean
  qps: number
  burst: number
  atOnce: number
}

function deliveryOf(given: Options, backend: 'Log' | 'Webhook', defaults: Defaults): AuditDelivery {
  const name = `--audit-${backend.toLowerCase()}`
  const said = <T>(field: string, otherwise: T): T => (given[`audit${backend}${field}`] as T | undefined) ?? otherwise
  const mode = said('Mode', defaults.mode)
  const bufferSize = said('BatchBufferSize', 10_000)
  const maxSize = said('BatchMaxSize', defaults.maxSize)
  const [qps, burst] = [said('BatchThrottleQps', defaults.qps), said('BatchThrottleBurst', defaults.burst)]
  const throttled = said('BatchThrottleEnable', defaults.throttle)
  if (mode === 'batch') {
    if (bufferSize <= 0)
      throw new UsageError(`invalid audit batch ${backend.toLowerCase()} max buffer size ${bufferSize}, must be a positive number`)
    if (maxSize <= 0)
      throw new UsageError(`invalid audit batch ${backend.toLowerCase()} max batch size ${maxSize}, must be a positive number`)
    if (throttled && qps <= 0) throw new UsageError(`${name}-batch-throttle-qps ${qps}: must be a positive number`)
    if (throttled && burst <= 0) throw new UsageError(`${name}-batch-throttle-burst ${burst}: must be a positive number`)
  }
  const maxBatchBytes = said('TruncateMaxBatchSize', MAX_BATCH_BYTES)
  const maxEventBytes = said('TruncateMaxEventSize', MAX_EVENT_BYTES)
  const truncates = said('TruncateEnabled', false)
  if (truncates && maxEventBytes <= 0) throw new UsageError(`${name}-truncate-max-event-size ${maxEventBytes}: must be a positive number`)
  if (truncates && maxBatchBytes < maxEventBytes)
    throw new UsageError(`${name}-truncate-max-batch-size ${maxBatchBytes}: must be at least the size of an event, ${maxEventBytes}`)
  return {
    mode,
    batch: {
      bufferSize,
      maxSize,
      maxWaitMs: said('BatchMaxWait', defaults.maxWaitMs),
      ...(throttled ? { throttle: { qps, burst } } : {}),
      atOnce: defaults.atOnce,
    },
    ...(truncates ? { truncate: { maxEventBytes, maxBatchBytes } } : {}),
  }
}
