// Service account tokens for volumes: asked of the API, kept in memory, and renewed at four fifths of their life (or after a day).
import type { AuthenticationTokenRequest, Pod, ServiceAccountTokenProjection } from '#api/generated/types.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import type { Client } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'

const DEFAULT_SECONDS = 3600
const LONGEST_MS = 24 * 60 * 60 * 1000

interface Held {
  token: string
  renewAt: number
  expiresAt: number
}

export class ServiceAccountTokens {
  readonly #client: Client
  readonly #clock: Clock
  readonly #held = new Map<string, Map<string, Held>>()

  constructor(options: { client: Client; clock: Clock }) {
    this.#client = options.client
    this.#clock = options.clock
  }

  async token(pod: Pod, { audience = '', expirationSeconds = DEFAULT_SECONDS }: ServiceAccountTokenProjection): Promise<string> {
    const uid = pod.metadata?.uid ?? ''
    const key = `${audience}\n${expirationSeconds}`
    const held = this.#held.get(uid)?.get(key)
    const now = this.#clock.now()
    if (held && now < held.renewAt) return held.token
    try {
      const fresh = await this.#request(pod, { audience, expirationSeconds })
      let own = this.#held.get(uid)
      if (!own) this.#held.set(uid, (own = new Map()))
      own.set(key, fresh)
      return fresh.token
    } catch (error) {
      // An old token that still holds is better than none; the next look asks again.
      if (held && now < held.expiresAt) return held.token
      throw error
    }
  }

  /** When the first token of the pod should be renewed. */
  renewAt(uid: string): number | undefined {
    const times = [...(this.#held.get(uid)?.values() ?? [])].map(({ renewAt }) => renewAt)
    return times.length > 0 ? Math.min(...times) : undefined
  }

  forget(uid: string): void {
    this.#held.delete(uid)
  }

  async #request(pod: Pod, { audience, expirationSeconds }: { audience: string; expirationSeconds: number }): Promise<Held> {
    const { namespace = '', name = '', uid = '' } = pod.metadata ?? {}
    const account = pod.spec?.serviceAccountName || 'default'
    const asked: AuthenticationTokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: audience ? [audience] : [], expirationSeconds, boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid } },
    }
    const answer = await this.#client.create<ServiceAccount, AuthenticationTokenRequest>(ServiceAccount, asked, {
      namespace,
      name: account,
      subresource: 'token',
    })
    const now = this.#clock.now()
    const token = answer.status?.token
    if (!token) throw new Error(`failed to fetch token: the API answered without one`)
    const expiresAt = Date.parse(answer.status?.expirationTimestamp ?? '') || now + expirationSeconds * 1000
    const lifeMs = expirationSeconds * 1000
    return { token, expiresAt, renewAt: Math.min(expiresAt - lifeMs * 0.2, now + LONGEST_MS) }
  }
}
