import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AUDIT_FLAGS, auditChoiceOf } from './audit-flags.ts'

const parse = (name: string, text: string) => AUDIT_FLAGS.find(({ flags }) => flags.startsWith(`${name} `))!.parse(text, undefined)

const WRONG: [flag: string, text: string, message: RegExp][] = [
  ['--audit-log-mode', 'lazy', /^--audit-log-mode lazy: say batch, blocking, blocking-strict$/],
  ['--audit-webhook-version', 'audit.k8s.io/v1beta1', /audit.k8s.io\/v1 is the only one/],
  ['--audit-log-format', 'legacy', /json is the only one/],
  ['--audit-webhook-batch-max-wait', 'soon', /a duration is needed/],
  ['--audit-webhook-batch-max-size', '-1', /say a number/],
  ['--audit-log-truncate-enabled', 'perhaps', /say true, false/],
]
test('AUDIT_FLAGS refuse what is malformed by name', () => {
  for (const [flag, text, message] of WRONG) assert.throws(() => parse(flag, text), { name: 'UsageError', message }, flag)
})

const FILES = { auditPolicyFile: '/p', auditLogPath: '/l', auditWebhookConfigFile: '/w' }
const CONTRADICTIONS: [options: object, message: RegExp][] = [
  [{ auditPolicyFile: '/p' }, /needs --audit-log-path or --audit-webhook-config-file/],
  [{ auditLogPath: '/l' }, /--audit-log-path needs --audit-policy-file/],
  [{ auditPolicyFile: '/p', auditLogPath: '/l', auditWebhookMode: 'batch' }, /--audit-webhook-mode needs --audit-webhook-config-file/],
  [{ ...FILES, auditWebhookBatchMaxSize: 0 }, /invalid audit batch webhook max batch size 0, must be a positive number/],
  [{ ...FILES, auditLogMode: 'batch', auditLogBatchThrottleEnable: true }, /--audit-log-batch-throttle-qps 0: must be a positive number/],
  [{ ...FILES, auditLogTruncateEnabled: true, auditLogTruncateMaxBatchSize: 10 }, /must be at least the size of an event/],
]
test('auditChoiceOf refuses flags that contradict each other', () => {
  for (const [options, message] of CONTRADICTIONS) assert.throws(() => auditChoiceOf(options), { name: 'UsageError', message })
})

test('auditChoiceOf takes the defaults of each backend', () => {
  assert.equal(auditChoiceOf({ port: '1' }), undefined)
  assert.deepEqual(auditChoiceOf({ ...FILES, auditWebhookTruncateEnabled: true }), {
    policyFile: '/p',
    log: {
      path: '/l',
      maxSizeMegabytes: 100,
      maxAgeDays: 0,
      maxBackups: 0,
      delivery: { mode: 'blocking', batch: { bufferSize: 10_000, maxSize: 1, maxWaitMs: 0, atOnce: 1 } },
    },
    webhook: {
      configFile: '/w',
      initialBackoffMs: 10_000,
      delivery: {
        mode: 'batch',
        batch: { bufferSize: 10_000, maxSize: 400, maxWaitMs: 30_000, throttle: { qps: 10, burst: 15 }, atOnce: 16 },
        truncate: { maxEventBytes: 102_400, maxBatchBytes: 10_485_760 },
      },
    },
  })
})
