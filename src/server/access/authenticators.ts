// Who asks: by client certificate or bearer token. Health checks alone may be asked by nobody.
import { StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { AuthenticationRequest, Authenticator } from '#server/request.ts'
import { authenticateToken, BadToken, type TokenAuthenticator } from './token-authenticators.ts'

const AUTHENTICATED = 'system:authenticated'
/** Among a user's extra: which credential this was. */
export const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id'

export const ANONYMOUS: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] }

const OPEN_PATHS = /^\/(healthz|livez|readyz|version)(\/|$)/

/** What may be asked without saying who asks, as far as roles allow it. */
export const openToAnyone = (path: string): boolean => OPEN_PATHS.test(path)

/** Common name as user, organizations as groups. A connection shows one certificate for all its requests: who that is, is worked out once. */
export function clientCertificates(): Authenticator {
  const known = new WeakMap<object, UserInfo>()
  return {
    authenticate({ certificate }) {
      if (!certificate?.commonName) return undefined
      let user = known.get(certificate)
      if (!user) known.set(certificate, (user = holderOf(certificate)))
      return user
    },
  }
}

function holderOf({ commonName, organizations, fingerprint }: NonNullable<AuthenticationRequest['certificate']>): UserInfo {
  return {
    username: commonName,
    groups: [...new Set([...organizations, AUTHENTICATED])],
    extra: { [CREDENTIAL_ID]: [`X509SHA256=${fingerprint.replaceAll(':', '').toLowerCase()}`] },
  }
}

/** Any bearer token that is not good is refused here, so this comes last among those who read tokens. */
export function bearerTokens(authenticators: () => readonly TokenAuthenticator[], audiences: readonly string[]): Authenticator {
  return {
    async authenticate({ headers, warn, annotate }) {
      const token = bearerToken(headers)
      if (token === undefined) return undefined
      try {
        const { user, warning, annotations = {} } = await authenticateToken(authenticators(), token, audiences)
        if (warning) warn?.(warning)
        for (const [key, value] of Object.entries(annotations)) annotate?.(key, value)
        return user
      } catch (cause) {
        if (cause instanceof BadToken) for (const [key, value] of Object.entries(cause.annotations)) annotate?.(key, value)
        throw new StatusError('Unauthorized', 'Unauthorized', { cause })
      }
    },
  }
}

/** Before a token among the protocols of a WebSocket. */
export const SOCKET_TOKEN = 'base64url.bearer.authorization.k8s.io.'

/** From the Authorization header, or from the protocol list of browsers' WebSockets, which cannot set headers. */
function bearerToken(headers: AuthenticationRequest['headers']): string | undefined {
  const authorization = first(headers['authorization'])
  const [scheme, token] = authorization?.trim().split(/ +/, 2) ?? []
  if (scheme?.toLowerCase() === 'bearer' && token) return token
  const protocols = first(headers['sec-websocket-protocol'])?.split(',') ?? []
  const carrier = protocols.map((one) => one.trim()).find((one) => one.startsWith(SOCKET_TOKEN))
  return carrier && Buffer.from(carrier.slice(SOCKET_TOKEN.length), 'base64url').toString()
}

const first = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value)
