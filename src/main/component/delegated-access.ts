// Who may see the pages of a component that runs apart from the API server: the API server is asked who holds a token and what they may do; client
// certificates are those of its authority. Answers are kept for a moment. Of users that a front proxy vouches for it knows nothing.
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { TokenReview } from '#api/kinds/authentication/token-review.ts'
import { SubjectAccessReview } from '#api/kinds/authorization/subject-access-review.ts'
import { StatusError } from '#api/status.ts'
import type { Client, UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { LruMap } from '#lib/lru-map.ts'
import { ANONYMOUS } from '#server/access/authenticators.ts'

export interface AccessOptions {
  client: Client
  clock: Clock
  log: Logger
}

const KEPT_MS = 10_000
const MOST_KEPT = 1000
const PATIENCE_MS = 10_000
/** Whoever asks after a component's health may. */
const OPEN = new Set(['/healthz', '/livez', '/readyz'])

export class DelegatedAccess {
  readonly #options: AccessOptions
  readonly #users: Kept<UserInfo | undefined>
  readonly #verdicts: Kept<boolean>

  constructor(options: AccessOptions) {
    this.#options = options
    this.#users = new Kept(options.clock)
    this.#verdicts = new Kept(options.clock)
  }

  /** Throws StatusError: Unauthorized or Forbidden. */
  async admit(request: IncomingMessage, path: string): Promise<void> {
    const user = await this.#userOf(request)
    if (OPEN.has(path) || user.groups.includes('system:masters')) return
    const verb = (request.method ?? '').toLowerCase()
    if (await this.#mayUse(user, { path, verb })) return
    throw new StatusError('Forbidden', `forbidden: User ${JSON.stringify(user.username)} cannot ${verb} path ${JSON.stringify(path)}`, {
      details: {},
    })
  }

  async #userOf(request: IncomingMessage): Promise<UserInfo> {
    const socket = request.socket as TLSSocket
    const certificate = socket.getPeerCertificate()
    const shown = Object.keys(certificate ?? {}).length > 0
    if (shown && socket.authorized) {
      const { CN = '', O: organizations = [] } = certificate.subject as { CN?: string | string[]; O?: string | string[] }
      const username = [CN].flat().at(-1) ?? ''
      if (username) return { username, groups: [...[organizations].flat(), 'system:authenticated'] }
    }
    const { authorization } = request.headers
    // Other schemes are nobody's here, as upstream.
    const token = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined && shown) throw new StatusError('Unauthorized', 'Unauthorized')
    if (token === undefined) return ANONYMOUS
    const user = await this.#users.get(createHash('sha256').update(token).digest('base64'), () => this.#review(token))
    if (!user) throw new StatusError('Unauthorized', 'Unauthorized')
    return user
  }

  async #review(token: string): Promise<UserInfo | undefined> {
    const review: TokenReview = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } }
    try {
      const { status } = await this.#options.client.create(TokenReview, review, { signal: AbortSignal.timeout(PATIENCE_MS) })
      if (!status?.authenticated || !status.user?.username) return undefined
      const { username, uid, groups = [], extra } = status.user
      return { username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) }
    } catch (error) {
      this.#options.log.warn('could not ask whose token it is', { error })
      throw new StatusError('Unauthorized', 'Unauthorized')
    }
  }

  #mayUse(user: UserInfo, nonResourceAttributes: { path: string; verb: string }): Promise<boolean> {
    const { username, groups, uid, extra } = user
    const spec = { user: username, groups: [...groups], ...(uid ? { uid } : {}), ...(extra ? { extra } : {}), nonResourceAttributes }
    return this.#verdicts.get(createHash('sha256').update(JSON.stringify(spec)).digest('base64'), async () => {
      const review: SubjectAccessReview = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: {}, spec }
      const { status } = await this.#options.client.create(SubjectAccessReview, review, { signal: AbortSignal.timeout(PATIENCE_MS) })
      return status?.allowed === true
    })
  }
}

/** Answers that are not asked for again for a while. */
class Kept<T> {
  readonly #clock: Clock
  readonly #answers = new LruMap<string, { answer: Promise<T>; untilMs: number }>(MOST_KEPT)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const now = this.#clock.monotonic()
    const known = this.#answers.get(key)
    if (known && now < known.untilMs) return known.answer
    const answer = ask()
    this.#answers.set(key, { answer, untilMs: now + KEPT_MS })
    // No answer is not kept.
    answer.catch(() => this.#answers.delete(key))
    return answer
  }
}
