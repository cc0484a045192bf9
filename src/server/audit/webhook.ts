// Audit events to a program elsewhere: lists of them by POST, tried again whatever went wrong, for nothing justifies losing one.
import type { Clock } from '#lib/clock.ts'
import type { Random } from '#lib/random.ts'
import { callsThrough } from '#server/access/outgoing-call.ts'
import type { WebhookPlace } from '#server/access/webhooks/kubeconfig.ts'
import { Outgoing } from '#server/outgoing/outgoing.ts'
import type { AuditSink } from './delivery.ts'

const TIMEOUT_MS = 30_000
/** Once the server stops. */
const LAST_TIMEOUT_MS = 3_000
const TRIES = 5
const FACTOR = 1.5
const JITTER = 0.2
/** Items of a list do not say what they are. */
const OWN_TYPE = '"kind":"Event","apiVersion":"audit.k8s.io/v1",'

export interface AuditWebhookOptions {
  place: WebhookPlace
  initialBackoffMs: number
}

export function auditWebhook({ place, initialBackoffMs }: AuditWebhookOptions, parts: { clock: Clock; random: Random }): AuditSink {
  const outgoing = new Outgoing({ random: parts.random })
  const call = callsThrough(outgoing)
  const stopping = new AbortController()
  const { headers, ...where } = place
  const url = new URL(where.url)
  url.searchParams.set('timeout', `${TIMEOUT_MS / 1000}s`)

  async function post(body: string): Promise<void> {
    const timeoutMs = stopping.signal.aborted ? LAST_TIMEOUT_MS : TIMEOUT_MS
    const sent = { accept: 'application/json', 'content-type': 'application/json', 'user-agent': 'kube-apiserver', ...headers }
    const { status } = await call({ ...where, url: url.href, method: 'POST', headers: sent, body, timeoutMs })
    if (status < 200 || status > 299) throw new Error(`Post ${JSON.stringify(url.href)}: the webhook answered ${status}`)
  }

  return {
    name: 'webhook',
    async deliver(events) {
      const items = events.map((text) => text.replace(OWN_TYPE, ''))
      const body = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${items.join(',')}]}`
      for (let attempt = 1, pause = initialBackoffMs; ; attempt++, pause *= FACTOR) {
        try {
          return await post(body)
        } catch (error) {
          if (attempt === TRIES || stopping.signal.aborted) throw error
        }
        await parts.clock.sleep(pause * (1 + JITTER * parts.random.float()), stopping.signal).catch(() => {})
      }
    },
    hurry: () => stopping.abort(),
    async [Symbol.asyncDispose]() {
      outgoing[Symbol.dispose]()
    },
  }
}
