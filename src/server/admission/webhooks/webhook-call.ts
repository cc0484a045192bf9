// One webhook asked once: what it is asked, how its silence and its nonsense are worded, and its refusal.
import { StatusError } from '#api/status.ts'
import { CallError } from '#server/outgoing/call-error.ts'
import type { Outgoing } from '#server/outgoing/outgoing.ts'
import type { AdmissionRequest, ServerContext } from '#server/request.ts'
import type { Hook } from './configurations.ts'
import { InvalidAnswer, readAnswer, REVIEW_VERSIONS, reviewBody, type ReviewAnswer, type View } from './review.ts'
import type { WebhookMetrics, WebhookType } from './webhook-metrics.ts'

export interface WebhookContext extends ServerContext {
  outgoing: Outgoing
  metrics: WebhookMetrics
}

/** It could not be asked, or did not answer: failurePolicy decides. */
export class FailedCall extends Error {
  readonly status: number

  constructor(webhook: string, why: string, { cause, status = 503 }: { cause?: unknown; status?: number } = {}) {
    super(`failed calling webhook ${JSON.stringify(webhook)}: ${why}`, { cause })
    this.status = status
  }
}

export interface Asking {
  type: WebhookType
  request: AdmissionRequest
  view: View
}

const DEFAULT_TIMEOUT_SECONDS = 10

/** The answer of a webhook that allows. Throws FailedCall, or its refusal as a StatusError. */
async function askWebhook(context: WebhookContext, { webhook }: Hook, { type, request, view }: Asking): Promise<ReviewAnswer> {
  const { name, sideEffects, admissionReviewVersions, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS, clientConfig } = webhook
  if (request.dryRun && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun')
    throw new StatusError('BadRequest', `admission webhook ${JSON.stringify(name)} does not support dry run`)
  const version = admissionReviewVersions.find((one) => REVIEW_VERSIONS.includes(one))
  if (!version)
    throw new FailedCall(
      name,
      `could not create admission objects: webhook does not accept known AdmissionReview versions (${admissionReviewVersions.join(' ')})`,
    )
  const uid = context.random.uuid()
  const mutating = type === 'admit'
  const { within } = request
  const timeoutMs = Math.min(timeoutSeconds * 1000, within?.remainingMs() ?? Infinity)
  if (timeoutMs <= 0) throw tooLate()
  const called = await context.outgoing
    .post(clientConfig, {
      body: await reviewBody(request, view, { uid, version }),
      query: new URLSearchParams({ timeout: `${Math.ceil(timeoutMs / 1000)}s` }),
      timeoutMs,
      ...(within?.signal ? { signal: within.signal } : {}),
    })
    .catch((error: unknown) => {
      // However the webhook's silence counts: there is nobody left to answer.
      if (within?.signal?.aborted) throw tooLate('canceled')
      if (error instanceof CallError && error.timedOut && timeoutMs < timeoutSeconds * 1000) throw tooLate()
      if (!(error instanceof CallError)) throw error
      const why = error.setup ? `could not get REST client: ${error.message}` : `failed to call webhook: ${error.message}`
      throw new FailedCall(name, why, { cause: error, ...(error.status ? { status: error.status } : {}) })
    })
  let answer: ReviewAnswer
  try {
    answer = await readAnswer(called, { uid, version, mutating, read: (text) => context.outgoing.parse(text) })
  } catch (error) {
    const what = error instanceof InvalidAnswer ? 'received invalid webhook response' : 'failed to call webhook'
    throw new FailedCall(name, `${what}: ${(error as Error).message}`, { cause: error })
  }
  for (const [key, value] of answer.auditAnnotations) request.annotate?.(`${name}/${key}`, value)
  for (const warning of answer.warnings) request.warn(warning)
  if (!answer.allowed) throw new Refusal(name, answer.status ?? {})
  return answer
}

/** The request as a whole has no more time. */
function tooLate(why: 'deadline exceeded' | 'canceled' = 'deadline exceeded'): StatusError {
  return new StatusError('Timeout', `Timeout: request did not complete within requested timeout - context ${why}`, { details: {} })
}

/** In the words and with the code of the webhook, as far as they are those of a refusal. */
class Refusal extends StatusError {
  constructor(webhook: string, { message, reason, code = 0, details }: NonNullable<ReviewAnswer['status']>) {
    const deniedBy = `admission webhook ${JSON.stringify(webhook)} denied the request`
    const text = message || reason ? `${deniedBy}: ${message || reason}` : `${deniedBy} without explanation`
    super((reason ?? '') as StatusError['reason'], text, {
      code: code >= 400 && code <= 599 ? code : 400,
      ...(details ? { details } : {}),
    })
  }
}

/** Asks and counts. What becomes of a failed call is the caller's to say. */
export async function askCounted(context: WebhookContext, hook: Hook, asking: Asking): Promise<ReviewAnswer> {
  const { clock, metrics } = context
  const began = clock.monotonic()
  const about = { name: hook.webhook.name, type: asking.type, operation: asking.request.operation }
  const seconds = () => (clock.monotonic() - began) / 1000
  try {
    const answer = await askWebhook(context, hook, asking)
    metrics.observe({ ...about, rejected: false, code: 200, seconds: seconds() })
    return answer
  } catch (error) {
    const failed = error instanceof FailedCall
    const open = failed && hook.webhook.failurePolicy === 'Ignore'
    const code = failed ? error.status : error instanceof StatusError ? error.code : 500
    metrics.observe({ ...about, rejected: !open, code: failed && !error.status ? 500 : code, seconds: seconds() })
    if (open) metrics.failedOpen(about)
    else
      metrics.rejected({
        ...about,
        code,
        error: failed ? 'calling_webhook_error' : error instanceof Refusal ? 'no_error' : 'apiserver_internal_error',
      })
    throw error
  } finally {
    // One after the other: their times add up. Those asked at once are timed together.
    if (asking.type === 'admit') asking.request.within?.waited?.(clock.monotonic() - began)
  }
}
