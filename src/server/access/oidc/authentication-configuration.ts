// AuthenticationConfiguration: which issuers' tokens are believed, and who may ask without any. Checked as upstream checks it, expressions compiled once.
import { X509Certificate } from 'node:crypto'
import { duplicate, type FieldError, invalid, required, tooMany } from '#api/field-error.ts'
import type { CelProgram } from '#api/cel/environment.ts'
import { assertShape, parseConfiguration, refuseAll, type Shape } from '#api/configuration-file.ts'
import { domainPrefixedPath } from '#server/access/extra-keys.ts'
import { type ClaimExpressions, claimExpressions } from './claim-expressions.ts'

export interface ClaimOrExpression {
  claim?: string
  expression?: string
}

export interface PrefixedClaimOrExpression extends ClaimOrExpression {
  prefix?: string
}

export interface JwtAuthenticatorConfig {
  issuer: {
    url: string
    discoveryURL?: string
    certificateAuthority?: string
    audiences?: string[]
    audienceMatchPolicy?: string
    egressSelectorType?: string
  }
  claimValidationRules?: { claim?: string; requiredValue?: string; expression?: string; message?: string }[]
  claimMappings?: {
    username?: PrefixedClaimOrExpression
    groups?: PrefixedClaimOrExpression
    uid?: ClaimOrExpression
    extra?: { key: string; valueExpression: string }[]
  }
  userValidationRules?: { expression: string; message?: string }[]
  /** Not of the file: by flag only. All that are safe when absent. */
  signingAlgorithms?: readonly string[]
}

export interface AuthenticationConfig {
  jwt?: JwtAuthenticatorConfig[]
  anonymous?: { enabled?: boolean; conditions?: { path: string }[] }
}

/** An issuer's rules, ready to be applied. */
export interface JwtAuthenticatorRules {
  config: JwtAuthenticatorConfig
  username?: CelProgram
  groups?: CelProgram
  uid?: CelProgram
  extra: { key: string; expression: string; program: CelProgram }[]
  claimRules: { expression: string; message: string; program: CelProgram }[]
  userRules: { expression: string; message: string; program: CelProgram }[]
}

export interface CheckedAuthentication {
  issuers: JwtAuthenticatorRules[]
  anonymous?: { enabled: boolean; paths?: readonly string[] }
}

const MAPPING: Shape = { claim: 'text', prefix: 'text', expression: 'text' }
const SHAPE: Shape = {
  apiVersion: 'text',
  kind: 'text',
  jwt: [
    {
      issuer: {
        url: 'text',
        discoveryURL: 'text',
        certificateAuthority: 'text',
        audiences: ['text'],
        audienceMatchPolicy: 'text',
        egressSelectorType: 'text',
      },
      claimValidationRules: [{ claim: 'text', requiredValue: 'text', expression: 'text', message: 'text' }],
      claimMappings: {
        username: MAPPING,
        groups: MAPPING,
        uid: { claim: 'text', expression: 'text' },
        extra: [{ key: 'text', valueExpression: 'text' }],
      },
      userValidationRules: [{ expression: 'text', message: 'text' }],
    },
  ],
  anonymous: { enabled: 'flag', conditions: [{ path: 'text' }] },
}
const MOST_ISSUERS = 64

export function parseAuthenticationConfiguration(text: string): AuthenticationConfig {
  const value = parseConfiguration(text, { kind: 'AuthenticationConfiguration' })
  assertShape(value, SHAPE)
  return value as AuthenticationConfig
}

/** Throws ConfigurationError with every mistake. `ownIssuers` sign this server's own tokens: no stranger may claim to be one. */
export async function checkAuthentication(config: AuthenticationConfig, ownIssuers: readonly string[]): Promise<CheckedAuthentication> {
  const { jwt = [], anonymous } = config
  const errors: FieldError[] = []
  if (jwt.length > MOST_ISSUERS) refuseAll([tooMany('jwt', jwt.length, MOST_ISSUERS)])
  const expressions = await claimExpressions(errors)
  const issuers = jwt.map((one, index) => checkIssuerRules(one, { at: `jwt[${index}]`, ownIssuers, errors, expressions }))
  for (const field of ['url', 'discoveryURL'] as const)
    jwt.forEach(({ issuer }, index) => {
      const url = issuer?.[field]
      if (url && jwt.findIndex((one) => one.issuer?.[field] === url) < index) errors.push(duplicate(`jwt[${index}].issuer.${field}`, url))
    })
  if (anonymous && !anonymous.enabled && anonymous.conditions?.length)
    errors.push(invalid('anonymous.conditions', anonymous.conditions, 'enabled should be set to true when conditions are defined'))
  refuseAll(errors)
  const paths = anonymous?.conditions?.map(({ path }) => path)
  return {
    issuers,
    ...(anonymous ? { anonymous: { enabled: anonymous.enabled === true, ...(paths?.length ? { paths } : {}) } } : {}),
  }
}

const none = (_count: number): never[] => []

interface Check {
  at: string
  ownIssuers: readonly string[]
  errors: FieldError[]
  expressions: ClaimExpressions
}

function checkIssuerRules(config: JwtAuthenticatorConfig, check: Check): JwtAuthenticatorRules {
  const { at, errors, expressions } = check
  checkIssuer(config.issuer ?? { url: '' }, { ...check, at: `${at}.issuer` })
  const claimRules = checkClaimRules(config, check)
  const mappings = checkMappings(config, check)
  const userRules = (config.userValidationRules ?? []).flatMap(({ expression, message = '' }, index, all) => {
    const field = `${at}.userValidationRules[${index}].expression`
    if (!expression) return none(errors.push(required(field)))
    if (all.findIndex((one) => one.expression === expression) < index) return none(errors.push(duplicate(field, expression)))
    const program = expressions.ofUser(expression, field)
    return program ? [{ expression, message, program }] : []
  })
  const email = mappings.username && expressions.uses(mappings.username, 'email')
  const verified = [mappings.username, ...claimRules.map((one) => one.program), ...mappings.extra.map((one) => one.program)]
  if (email && !verified.some((program) => program && expressions.uses(program, 'email_verified')))
    errors.push(
      invalid(
        `${at}.claimMappings.username.expression`,
        config.claimMappings?.username?.expression,
        'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
      ),
    )
  return { config, ...mappings, claimRules, userRules }
}

function checkIssuer(issuer: JwtAuthenticatorConfig['issuer'], { at, ownIssuers, errors }: Check): void {
  const { url, discoveryURL, certificateAuthority, audiences = [], audienceMatchPolicy = '', egressSelectorType } = issuer
  if (!url) errors.push(required(`${at}.url`))
  else {
    if (ownIssuers.includes(url))
      errors.push(invalid(`${at}.url`, url, `URL must not overlap with disallowed issuers: [${[...ownIssuers].sort().join(' ')}]`))
    checkUrl(url, `${at}.url`, errors)
  }
  if (discoveryURL) {
    if (url && trimSlashes(url) === trimSlashes(discoveryURL))
      errors.push(invalid(`${at}.discoveryURL`, discoveryURL, 'discoveryURL must be different from URL'))
    checkUrl(discoveryURL, `${at}.discoveryURL`, errors)
  }
  if (audiences.length === 0) errors.push(required(`${at}.audiences`, `at least one ${at}.audiences is required`))
  audiences.forEach((audience, index) => {
    if (!audience) errors.push(required(`${at}.audiences[${index}]`))
    if (audiences.indexOf(audience) < index) errors.push(duplicate(`${at}.audiences[${index}]`, audience))
  })
  const policy = `${at}.audienceMatchPolicy`
  if (audiences.length > 1 && audienceMatchPolicy !== 'MatchAny')
    errors.push(invalid(policy, audienceMatchPolicy, 'audienceMatchPolicy must be MatchAny for multiple audiences'))
  if (audiences.length === 1 && audienceMatchPolicy && audienceMatchPolicy !== 'MatchAny')
    errors.push(invalid(policy, audienceMatchPolicy, 'audienceMatchPolicy must be empty or MatchAny for single audience'))
  if (certificateAuthority && !isCertificate(certificateAuthority))
    errors.push(invalid(`${at}.certificateAuthority`, '<omitted>', 'data does not contain any valid RSA or ECDSA certificates'))
  if (egressSelectorType && egressSelectorType !== 'controlplane' && egressSelectorType !== 'cluster')
    errors.push(invalid(`${at}.egressSelectorType`, egressSelectorType, 'egress selector must be either controlplane or cluster'))
  else if (egressSelectorType) errors.push(invalid(`${at}.egressSelectorType`, egressSelectorType, 'there are no egress selectors here'))
}

function checkUrl(text: string, field: string, errors: FieldError[]): void {
  if (!URL.canParse(text)) {
    errors.push(invalid(field, text, text.startsWith('https://') ? 'parse error' : 'URL scheme must be https'))
    return
  }
  const { protocol, username, password, search, hash } = new URL(text)
  if (protocol !== 'https:') errors.push(invalid(field, text, 'URL scheme must be https'))
  if (username || password) errors.push(invalid(field, text, 'URL must not contain a username or password'))
  if (search) errors.push(invalid(field, text, 'URL must not contain a query'))
  if (hash) errors.push(invalid(field, text, 'URL must not contain a fragment'))
}

export function trimSlashes(text: string): string {
  let end = text.length
  while (text[end - 1] === '/') end--
  return text.slice(0, end)
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}

function checkClaimRules({ claimValidationRules = [] }: JwtAuthenticatorConfig, { at, errors, expressions }: Check) {
  return claimValidationRules.flatMap(({ claim, requiredValue, expression, message }, index, all) => {
    const field = `${at}.claimValidationRules[${index}]`
    if (claim && expression) errors.push(invalid(field, claim, "claim and expression can't both be set"))
    else if (!claim && !expression) errors.push(required(field, 'claim or expression is required'))
    else if (claim) {
      if (message) errors.push(invalid(`${field}.message`, message, 'may not be specified when claim is set'))
      if (all.findIndex((one) => one.claim === claim) < index) errors.push(duplicate(`${field}.claim`, claim))
    } else if (expression) {
      if (requiredValue) errors.push(invalid(`${field}.requiredValue`, requiredValue, 'may not be specified when expression is set'))
      if (all.findIndex((one) => one.expression === expression) < index) errors.push(duplicate(`${field}.expression`, expression))
      else {
        const program = expressions.rule(expression, `${field}.expression`)
        if (program) return [{ expression, message: message ?? '', program }]
      }
    }
    return []
  })
}

function checkMappings({ claimMappings = {} }: JwtAuthenticatorConfig, { at: root, errors, expressions }: Check) {
  const at = `${root}.claimMappings`
  const { username = {}, groups = {}, uid = {}, extra = [] } = claimMappings
  const prefixed = ({ claim, expression, prefix }: PrefixedClaimOrExpression, field: string): CelProgram | undefined => {
    if (claim && expression) return none(errors.push(invalid(field, '', "claim and expression can't both be set")))[0]
    if (expression) {
      if (prefix !== undefined) errors.push(invalid(`${field}.prefix`, prefix, 'may not be specified when expression is set'))
      return expressions.mapping(expression, `${field}.expression`)
    }
    if (claim && prefix === undefined)
      errors.push(
        required(`${field}.prefix`, 'prefix is required when claim is set. It can be set to an empty string to disable prefixing'),
      )
    return undefined
  }
  if (!username.claim && !username.expression) errors.push(required(`${at}.username`, 'claim or expression is required'))
  if (uid.claim && uid.expression) errors.push(invalid(`${at}.uid`, '', "claim and expression can't both be set"))
  const programs = {
    username: prefixed(username, `${at}.username`),
    groups: prefixed(groups, `${at}.groups`),
    uid: uid.expression && !uid.claim ? expressions.mapping(uid.expression, `${at}.uid.expression`) : undefined,
  }
  return {
    ...(programs.username ? { username: programs.username } : {}),
    ...(programs.groups ? { groups: programs.groups } : {}),
    ...(programs.uid ? { uid: programs.uid } : {}),
    extra: extra.flatMap(({ key = '', valueExpression }, index) => {
      const field = `${at}.extra[${index}]`
      errors.push(...domainPrefixedPath(key).map((why) => invalid(`${field}.key`, key, why)))
      if (key !== key.toLowerCase()) errors.push(invalid(`${field}.key`, key, 'must be lowercase'))
      if (/^([^/]*\.)?(kubernetes|k8s)\.io\//.test(key))
        errors.push(invalid(`${field}.key`, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'))
      if (extra.findIndex((one) => one.key === key) < index) return none(errors.push(duplicate(`${field}.key`, key)))
      if (!valueExpression) return none(errors.push(required(`${field}.valueExpression`)))
      const program = expressions.mapping(valueExpression, `${field}.valueExpression`)
      return program ? [{ key, expression: valueExpression, program }] : []
    }),
  }
}
