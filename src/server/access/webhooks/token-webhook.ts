// Bearer tokens that somebody outside knows: asked by TokenReview, answers remembered for a while, of good tokens and bad.
import { createHash } from 'node:crypto'
import { isObject } from '#api/clone.ts'
import type { UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { Calls } from '#server/access/outgoing-call.ts'
import type { TokenAnswer, TokenAuthenticator } from '#server/access/token-authenticators.ts'
import { postReview, type WebhookPlace } from './kubeconfig.ts'

export interface TokenWebhookOptions {
  place: WebhookPlace
  version: 'v1' | 'v1beta1'
  cacheTtlMs: number
  /** This API server's own: a webhook that knows no audiences vouches for these. */
  audiences: readonly string[]
  call: Calls
  clock: Clock
}

const REMEMBERED = 4096
const TIMEOUT_MS = 10_000

type Outcome = { answer: TokenAnswer } | { refusal: string } | { unknown: true }

export function tokenWebhook(options: TokenWebhookOptions): TokenAuthenticator {
  const { clock, cacheTtlMs } = options
  /** By hash: tokens are not kept for longer than a request needs them. */
  const known = new LruMap<string, { outcome: Outcome; until: number }>(REMEMBERED)
  const pending = new Map<string, Promise<Outcome>>()

  return {
    async authenticateToken(token, wanted) {
      const key = createHash('sha256')
        .update(JSON.stringify([token, wanted]))
        .digest('base64')
      const remembered = known.get(key)
      const fresh = remembered && clock.now() < remembered.until ? remembered.outcome : undefined
      const outcome = fresh ?? (await once(key, token, wanted))
      if ('refusal' in outcome) throw new Error(outcome.refusal)
      return 'answer' in outcome ? outcome.answer : undefined
    },
  }

  /** Many requests with one token ask once. */
  function once(key: string, token: string, wanted: readonly string[]): Promise<Outcome> {
    const asked = pending.get(key)
    if (asked) return asked
    const asking = review(token, wanted, options)
      .then((outcome) => {
        if (cacheTtlMs > 0) known.set(key, { outcome, until: clock.now() + cacheTtlMs })
        return outcome
      })
      .finally(() => pending.delete(key))
    pending.set(key, asking)
    return asking
  }
}

async function review(token: string, wanted: readonly string[], options: TokenWebhookOptions): Promise<Outcome> {
  const { place, version, audiences: own, call, clock } = options
  const spec = { token, audiences: wanted }
  const asked = { apiVersion: `authentication.k8s.io/${version}`, kind: 'TokenReview', spec }
  const { status } = await postReview({ place, review: asked, call, sleep: (ms) => clock.sleep(ms), timeoutMs: TIMEOUT_MS })
  const { authenticated, user, audiences, error } = (isObject(status) ? status : {}) as Record<string, unknown>
  if (authenticated !== true) return typeof error === 'string' && error ? { refusal: error } : { unknown: true }
  const given = Array.isArray(audiences) && audiences.length > 0 ? audiences.filter((one) => typeof one === 'string') : own
  const shared = given.filter((audience) => wanted.includes(audience))
  const known = userOf(user)
  return known && shared.length > 0 ? { answer: { user: known, audiences: shared } } : { unknown: true }
}

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((one) => typeof one === 'string')

function userOf(value: unknown): UserInfo | undefined {
  if (!isObject(value)) return undefined
  const { username, uid, groups, extra } = value as Record<string, unknown>
  if (typeof username !== 'string') return undefined
  const extras = isObject(extra) ? Object.entries(extra).filter((entry): entry is [string, string[]] => isTexts(entry[1])) : []
  return {
    username,
    groups: isTexts(groups) ? groups : [],
    ...(typeof uid === 'string' && uid ? { uid } : {}),
    ...(extras.length > 0 ? { extra: Object.fromEntries(extras) } : {}),
  }
}
