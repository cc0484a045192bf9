// The issuers believed at present, and who may ask as nobody. When the file that says so changes, the new rules hold from then on; a wrong file
// changes nothing.
import { readFileSync, statSync } from 'node:fs'
import type { UserInfo } from '#client/client.ts'
import type { CheckedAuthentication, JwtAuthenticatorRules } from './authentication-configuration.ts'
import { DistributedClaims } from './distributed-claims.ts'
import { IssuerKeys, type IssuerKeysContext } from './issuer-keys.ts'
import { JwtAuthenticator } from './jwt-authenticator.ts'

export interface StrangersSource {
  /** As read at the start. */
  configuration?: CheckedAuthentication
  /** Where it came from, if it may change. */
  file?: string
  /** Checks what the file has become. */
  read?(text: string): Promise<CheckedAuthentication>
}

const LOOK_MS = 1000

export class Strangers {
  readonly #source: StrangersSource
  readonly #context: IssuerKeysContext
  #authenticators: readonly JwtAuthenticator[] = []
  #issuers: readonly IssuerKeys[] = []
  #anonymous: CheckedAuthentication['anonymous']

  constructor(source: StrangersSource, context: IssuerKeysContext) {
    this.#source = source
    this.#context = context
    if (source.configuration) this.#use(source.configuration)
  }

  /** undefined where nothing is said of it. */
  anonymous(path: string): boolean | undefined {
    if (!this.#anonymous) return undefined
    const { enabled, paths } = this.#anonymous
    return enabled && (!paths || paths.includes(path))
  }

  async authenticate(token: string): Promise<UserInfo | undefined> {
    for (const authenticator of this.#authenticators) {
      const user = await authenticator.authenticate(token)
      if (user) return user
    }
    return undefined
  }

  /** Asks the issuers before anybody waits for them, and follows the file. */
  async run(signal: AbortSignal): Promise<void> {
    const { file } = this.#source
    for (const keys of this.#issuers) void keys.load()
    if (!file) return
    let seen = stamp(file)
    while (!signal.aborted) {
      await this.#context.clock.sleep(LOOK_MS, signal).catch(() => {})
      const now = stamp(file)
      if (signal.aborted || now === seen) continue
      seen = now
      await this.#reread(file)
    }
  }

  async #reread(file: string): Promise<void> {
    const { log } = this.#context
    try {
      const configuration = await this.#source.read?.(readFileSync(file, 'utf8'))
      if (!configuration) return
      this.#use(configuration)
      for (const keys of this.#issuers) void keys.load()
      log.info('the authentication configuration was read again', { file })
    } catch (error) {
      log.error('the changed authentication configuration is wrong: the one before goes on', { file, error })
    }
  }

  #use({ issuers, anonymous }: CheckedAuthentication): void {
    const { clock } = this.#context
    const made = issuers.map((rules) => ({ rules, keys: new IssuerKeys(rules.config.issuer, this.#context) }))
    this.#issuers = made.map(({ keys }) => keys)
    this.#authenticators = made.map(
      ({ rules, keys }) => new JwtAuthenticator(rules, { keys, clock, distributed: this.#distributed(rules) }),
    )
    this.#anonymous = anonymous
  }

  /** Only groups, and only of a claim by name. */
  #distributed({ config: { issuer, claimMappings, signingAlgorithms: algorithms } }: JwtAuthenticatorRules): DistributedClaims | undefined {
    const { claim } = claimMappings?.groups ?? {}
    if (!claim) return undefined
    const { audiences = [], certificateAuthority } = issuer
    return new DistributedClaims({ claim, audiences, algorithms, ...(certificateAuthority ? { certificateAuthority } : {}) }, this.#context)
  }
}

function stamp(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false })
  return found ? `${found.mtimeMs} ${found.size} ${found.ino}` : ''
}
