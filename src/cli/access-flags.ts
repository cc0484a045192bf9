// Who may come in and do what, as it is said on the command line: upstream's flags by upstream's names. What the files hold is checked by the server.
import { resolve } from 'node:path'
import { parseGoDuration } from '#lib/duration.ts'
import { patternProblem } from '#lib/pattern/pattern.ts'
import { UsageError } from './errors.ts'

export interface AccessFlags {
  serviceAccountIssuer?: string[]
  serviceAccountJwksUri?: string
  serviceAccountSigningKeyFile?: string
  serviceAccountKeyFile?: string[]
  apiAudiences?: string[]
  serviceAccountMaxTokenExpiration?: string
  serviceAccountExtendTokenExpiration?: boolean
  anonymousAuth?: boolean
  authenticationConfig?: string
  oidcIssuerUrl?: string
  oidcClientId?: string
  oidcUsernameClaim?: string
  oidcUsernamePrefix?: string
  oidcGroupsClaim?: string
  oidcGroupsPrefix?: string
  oidcCaFile?: string
  oidcRequiredClaim?: [claim: string, value: string][]
  oidcSigningAlgs?: string[]
  authenticationTokenWebhookConfigFile?: string
  authenticationTokenWebhookVersion?: 'v1' | 'v1beta1'
  authenticationTokenWebhookCacheTtl?: string
  authorizationMode?: string[]
  authorizationPolicyFile?: string
  authorizationConfig?: string
  authorizationWebhookConfigFile?: string
  authorizationWebhookVersion?: 'v1' | 'v1beta1'
  authorizationWebhookCacheAuthorizedTtl?: string
  authorizationWebhookCacheUnauthorizedTtl?: string
  enableAdmissionPlugins?: string[]
  disableAdmissionPlugins?: string[]
  admissionControlConfigFile?: string
  corsAllowedOrigins?: string[]
}

export interface Flag {
  flags: string
  description: string
  parse(text: string, before: unknown): unknown
}

const MODES = ['AlwaysAllow', 'AlwaysDeny', 'ABAC', 'Webhook', 'RBAC', 'Node']
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512']

const list = (text: string): string[] => text.split(',').filter((one) => one !== '')
const joined = (text: string, before: unknown): string[] => [...((before as string[] | undefined) ?? []), ...list(text)]
const file = (text: string): string => resolve(text)
const files = (text: string, before: unknown): string[] => [...((before as string[] | undefined) ?? []), file(text)]
const plain = (text: string): string => text

function oneOf(flag: string, allowed: readonly string[]): (text: string) => string {
  return (text) => {
    if (allowed.includes(text)) return text
    throw new UsageError(`${flag} ${text}: say ${allowed.join(' or ')}`)
  }
}

function someOf(flag: string, allowed: readonly string[]): (text: string, before: unknown) => string[] {
  return (text, before) => {
    const all = joined(text, before)
    const [wrong] = all.filter((one) => !allowed.includes(one))
    if (wrong !== undefined) throw new UsageError(`${flag} ${text}: ${JSON.stringify(wrong)} is none of ${allowed.join(', ')}`)
    const [twice] = all.filter((one, index) => all.indexOf(one) < index)
    if (twice !== undefined) throw new UsageError(`${flag} ${text}: ${twice} is said twice`)
    return all
  }
}

function https(flag: string): (text: string) => string {
  return (text) => {
    if (URL.canParse(text) && new URL(text).protocol === 'https:') return text
    throw new UsageError(`${flag} ${text}: an address that begins with https:// is needed`)
  }
}

function duration(flag: string): (text: string) => string {
  return (text) => {
    if (parseGoDuration(text) !== undefined && !text.startsWith('-')) return text
    throw new UsageError(`${flag} ${text}: a duration is needed, such as 2m or 30s`)
  }
}

/** As Go reads a boolean; the flag alone is a yes. */
function boolean(flag: string): (text: string) => boolean {
  return (text) => {
    if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true
    if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false
    throw new UsageError(`${flag} ${text}: say true or false`)
  }
}

/** The bounds are upstream's. */
function tokenLife(text: string): string {
  const checked = duration('--service-account-max-token-expiration')(text)
  const seconds = parseGoDuration(checked)! / 1000
  if (seconds !== 0 && (seconds < 3600 || seconds > 2 ** 32))
    throw new UsageError(`--service-account-max-token-expiration ${text}: must be between 1 hour and 2^32 seconds`)
  return checked
}

function issuer(text: string, before: unknown): string[] {
  if (text === '') throw new UsageError('--service-account-issuer is empty')
  if (text.includes(':') && !URL.canParse(text)) throw new UsageError(`--service-account-issuer ${text}: not a valid URL`)
  return [...((before as string[] | undefined) ?? []), text]
}

function claim(text: string, before: unknown): [string, string][] {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`--oidc-required-claim ${text}: say claim=value`)
  return [...((before as [string, string][] | undefined) ?? []), [text.slice(0, at), text.slice(at + 1)]]
}

/** Checked as upstream does: a pattern that holds neither the host's beginning nor its end would let in strangers who end their name alike. */
function origins(text: string, before: unknown): string[] {
  const all = joined(text, before)
  for (const one of all) {
    const problem =
      patternProblem(one) ??
      (/\^|\/\//.test(one) && /[$:]/.test(one) ? undefined : 'regular expression does not pin to start/end of host in the origin header')
    if (problem) throw new UsageError(`--cors-allowed-origins ${one}: ${problem}`)
  }
  return all
}

const flag = (flags: string, description: string, parse: Flag['parse'] = plain): Flag => ({ flags, description, parse })

export const ACCESS_FLAGS: readonly Flag[] = [
  flag('--service-account-issuer <url>', 'who issues tokens of service accounts; the first signs, all are believed', issuer),
  flag('--service-account-jwks-uri <url>', 'where the discovery document says the keys are', https('--service-account-jwks-uri')),
  flag('--service-account-signing-key-file <file>', 'the key that signs tokens of service accounts; default: sa.key among the keys', file),
  flag('--service-account-key-file <file>', 'keys whose tokens are believed, too; may be repeated', files),
  flag('--api-audiences <list>', 'audiences of tokens that stand for this API; default: the issuers', joined),
  flag('--service-account-max-token-expiration <time>', 'the longest that a requested token lives; longer ones are shortened', tokenLife),
  flag(
    '--service-account-extend-token-expiration [bool]',
    'tokens of projected volumes live a year, for clients that never read them again; default: true',
    boolean('--service-account-extend-token-expiration'),
  ),
  flag(
    '--anonymous-auth [bool]',
    'requests without credentials are system:anonymous; default: for health and version only',
    boolean('--anonymous-auth'),
  ),
  flag('--authentication-config <file>', 'AuthenticationConfiguration: issuers of tokens, and anonymous requests', file),
  flag('--oidc-issuer-url <url>', 'an issuer of OpenID Connect tokens', https('--oidc-issuer-url')),
  flag('--oidc-client-id <id>', 'the audience its tokens are for'),
  flag('--oidc-username-claim <claim>', 'the claim that is the user name; default: sub'),
  flag('--oidc-username-prefix <text>', 'put before user names; - for none'),
  flag('--oidc-groups-claim <claim>', 'the claim that lists groups'),
  flag('--oidc-groups-prefix <text>', 'put before groups'),
  flag('--oidc-ca-file <file>', "authority of the issuer's certificate", file),
  flag('--oidc-required-claim <claim=value>', 'what a token must say; may be repeated', claim),
  flag('--oidc-signing-algs <list>', 'signatures accepted; default: RS256', someOf('--oidc-signing-algs', ALGORITHMS)),
  flag('--authentication-token-webhook-config-file <file>', 'kubeconfig of a webhook that knows tokens', file),
  flag(
    '--authentication-token-webhook-version <version>',
    'of the reviews it is sent: v1 or v1beta1 (default)',
    oneOf('--authentication-token-webhook-version', ['v1', 'v1beta1']),
  ),
  flag(
    '--authentication-token-webhook-cache-ttl <time>',
    'how long its answers hold; default: 2m',
    duration('--authentication-token-webhook-cache-ttl'),
  ),
  flag('--authorization-mode <list>', 'who is asked, in order; default: Node,RBAC', someOf('--authorization-mode', MODES)),
  flag('--authorization-policy-file <file>', 'policies of mode ABAC', file),
  flag('--authorization-config <file>', 'AuthorizationConfiguration: who is asked, in order', file),
  flag('--authorization-webhook-config-file <file>', 'kubeconfig of the webhook of mode Webhook', file),
  flag(
    '--authorization-webhook-version <version>',
    'of the reviews it is sent: v1 or v1beta1 (default)',
    oneOf('--authorization-webhook-version', ['v1', 'v1beta1']),
  ),
  flag(
    '--authorization-webhook-cache-authorized-ttl <time>',
    'how long its yes holds; default: 5m',
    duration('--authorization-webhook-cache-authorized-ttl'),
  ),
  flag(
    '--authorization-webhook-cache-unauthorized-ttl <time>',
    'how long its no holds; default: 30s',
    duration('--authorization-webhook-cache-unauthorized-ttl'),
  ),
  flag('--enable-admission-plugins <list>', 'admission plugins beside those on by default', joined),
  flag('--disable-admission-plugins <list>', 'admission plugins to leave out', joined),
  flag('--admission-control-config-file <file>', 'AdmissionConfiguration: of PodSecurity and ResourceQuota', file),
  flag('--cors-allowed-origins <list>', 'patterns of origins whose pages may ask from a browser; default: none', origins),
]

const NAMES = ACCESS_FLAGS.map(({ flags }) => flags.split(' ')[0]!)
const fieldOf = (name: string): string => name.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())

/** Those of a command's options that are about access. Refuses what contradicts itself. */
export function accessFlagsOf(options: object): AccessFlags {
  const given = options as Record<string, unknown>
  const said = NAMES.filter((name) => given[fieldOf(name)] !== undefined)
  const flags = Object.fromEntries(said.map((name) => [fieldOf(name), given[fieldOf(name)]])) as AccessFlags
  const oidc = said.filter((name) => name.startsWith('--oidc-'))
  if (flags.authenticationConfig && oidc.length > 0)
    throw new UsageError(`authentication-config file and oidc-* flags are mutually exclusive: leave out ${oidc.join(', ')}`)
  if (oidc.length > 0 && !(flags.oidcIssuerUrl && flags.oidcClientId))
    throw new UsageError('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set')
  const modes = said.filter((name) => name.startsWith('--authorization-') && name !== '--authorization-config')
  if (flags.authorizationConfig && modes.length > 0)
    throw new UsageError(`--authorization-config can not be specified when ${modes.join(' or ')} are specified`)
  needed('ABAC', flags.authorizationMode, ['--authorization-policy-file', flags.authorizationPolicyFile])
  needed('Webhook', flags.authorizationMode, ['--authorization-webhook-config-file', flags.authorizationWebhookConfigFile])
  return flags
}

function needed(mode: string, modes: readonly string[] = [], [name, file]: [string, string | undefined]): void {
  if (modes.includes(mode) && !file) throw new UsageError(`--authorization-mode's ${mode} needs ${name}`)
  if (!modes.includes(mode) && file) throw new UsageError(`cannot specify ${name} without mode ${mode}`)
}
