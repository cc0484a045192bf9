// What the operator said about access made into what the server takes: files are read here, and everything wrong with them is told before anything starts.
import type { KeyObject } from 'node:crypto'
import type { AccessFlags } from '#cli/access-flags.ts'
import { UsageError } from '#cli/errors.ts'
import { readNamedFile } from '#cli/named-file.ts'
import { parsePolicies } from '#server/access/abac.ts'
import { parsePublicKeys, parseSigningKey } from '#server/access/key-files.ts'
import type { SigningKey } from '#server/access/web-token.ts'
import type { AccessOptions } from '#server/access/access-control.ts'
import { type AdmissionOptions, checkPluginNames, readAdmissionConfiguration } from '#server/admission/admission-configuration.ts'
import { parseDuration } from '#api/configuration-file.ts'
import type { AuthenticationConfig, JwtAuthenticatorConfig } from '#server/access/oidc/authentication-configuration.ts'
import type { StrangersSource } from '#server/access/oidc/strangers.ts'
import type { AuthorizerChoice } from '#server/access/webhooks/authorization-configuration.ts'
import { readWebhookKubeconfig } from '#server/access/webhooks/kubeconfig.ts'
import { parsed, toldBeside } from './flag-values.ts'

/** `issuer` is the cluster's own where none is named. Throws UsageError. */
export async function accessOptions(flags: AccessFlags, issuer: string): Promise<AccessOptions> {
  const issuers = flags.serviceAccountIssuer ?? [issuer]
  const authorizers = await authorizersOf(flags)
  const strangers = await strangersOf(flags, issuers)
  const { anonymousAuth: anonymous, serviceAccountExtendTokenExpiration: extend, serviceAccountMaxTokenExpiration: longest = '0' } = flags
  if (anonymous !== undefined && strangers?.configuration?.anonymous)
    throw new UsageError('--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file')
  const policies = flags.authorizationPolicyFile
  const webhook = flags.authenticationTokenWebhookConfigFile
  return {
    serviceAccountIssuers: issuers as [string, ...string[]],
    ...(flags.serviceAccountJwksUri ? { serviceAccountJwksUri: flags.serviceAccountJwksUri } : {}),
    ...(flags.serviceAccountKeyFile ? { believedKeys: await believedKeys(flags.serviceAccountKeyFile) } : {}),
    ...(flags.apiAudiences ? { apiAudiences: flags.apiAudiences } : {}),
    ...(longest === '0' ? {} : { maxTokenSeconds: parseDuration(longest)! / 1000 }),
    ...(extend === undefined ? {} : { extendTokens: extend }),
    ...(anonymous === undefined ? {} : { anonymous }),
    ...(authorizers ? { authorizers } : {}),
    ...(policies ? { abacPolicies: await parsed('--authorization-policy-file', policies, parsePolicies) } : {}),
    ...(strangers ? { strangers } : {}),
    ...(webhook
      ? {
          tokenWebhook: {
            place: await toldBeside('--authentication-token-webhook-config-file', webhook, () => readWebhookKubeconfig(webhook)),
            version: flags.authenticationTokenWebhookVersion ?? 'v1beta1',
            cacheTtlMs: parseDuration(flags.authenticationTokenWebhookCacheTtl ?? '2m')!,
          },
        }
      : {}),
  }
}

/** Which admission plugins run, and how. Throws UsageError. */
export async function admissionOptions(flags: AccessFlags): Promise<AdmissionOptions> {
  const { enableAdmissionPlugins: enabled = [], disableAdmissionPlugins: disabled = [], admissionControlConfigFile: file } = flags
  if (enabled.length > 0) await toldBeside('--enable-admission-plugins', enabled.join(','), () => checkPluginNames({ enabled }))
  if (disabled.length > 0)
    await toldBeside('--disable-admission-plugins', disabled.join(','), () => checkPluginNames({ enabled, disabled }))
  const configured = file ? await toldBeside('--admission-control-config-file', file, () => readAdmissionConfiguration(file)) : {}
  return { enabled, disabled, ...configured }
}

/** Who signs tokens of service accounts in place of the cluster's own key. Throws UsageError. */
export async function signingKey({ serviceAccountSigningKeyFile: file }: AccessFlags): Promise<SigningKey | undefined> {
  return file ? await parsed('--service-account-signing-key-file', file, parseSigningKey) : undefined
}

async function believedKeys(files: readonly string[]): Promise<KeyObject[]> {
  const keys = []
  for (const file of files) keys.push(...(await parsed('--service-account-key-file', file, parsePublicKeys)))
  return keys
}

async function authorizersOf(flags: AccessFlags): Promise<AuthorizerChoice[] | undefined> {
  const { authorizationConfig: file, authorizationMode: modes } = flags
  if (file) {
    const { checkAuthorization, parseAuthorizationConfiguration } = await import('#server/access/webhooks/authorization-configuration.ts')
    return parsed('--authorization-config', file, (text) => checkAuthorization(parseAuthorizationConfiguration(text)))
  }
  return modes && Promise.all(modes.map((mode) => choiceOf(mode, flags)))
}

async function choiceOf(mode: string, flags: AccessFlags): Promise<AuthorizerChoice> {
  if (mode !== 'Webhook') return { type: mode as 'RBAC' }
  const file = flags.authorizationWebhookConfigFile!
  const webhook = {
    name: 'default',
    place: await toldBeside('--authorization-webhook-config-file', file, () => readWebhookKubeconfig(file)),
    version: flags.authorizationWebhookVersion ?? 'v1beta1',
    timeoutMs: 30_000,
    authorizedTtlMs: parseDuration(flags.authorizationWebhookCacheAuthorizedTtl ?? '5m')!,
    unauthorizedTtlMs: parseDuration(flags.authorizationWebhookCacheUnauthorizedTtl ?? '30s')!,
    failurePolicy: 'NoOpinion' as const,
  }
  return { type: 'Webhook', webhook }
}

async function strangersOf(flags: AccessFlags, issuers: readonly string[]): Promise<StrangersSource | undefined> {
  const { authenticationConfig: file } = flags
  if (!file && !flags.oidcIssuerUrl) return undefined
  const { checkAuthentication, parseAuthenticationConfiguration } = await import('#server/access/oidc/authentication-configuration.ts')
  const check = (text: string) => checkAuthentication(parseAuthenticationConfiguration(text), issuers)
  if (file) return { configuration: await parsed('--authentication-config', file, check), file, read: check }
  return {
    configuration: await toldBeside('--oidc-issuer-url', flags.oidcIssuerUrl!, () => checkAuthentication(oidcConfig(flags), issuers)),
  }
}

/** One issuer, as the older flags describe it. */
function oidcConfig(flags: AccessFlags): AuthenticationConfig {
  const { oidcIssuerUrl: url = '', oidcClientId = '', oidcUsernameClaim: claim = 'sub', oidcGroupsClaim, oidcGroupsPrefix = '' } = flags
  // User names of two sources must not be taken for one another; an e-mail address says by itself where it is from.
  const prefix = flags.oidcUsernamePrefix ?? (claim === 'email' ? '' : `${url}#`)
  const authority = flags.oidcCaFile && readNamedFile('--oidc-ca-file', flags.oidcCaFile)
  const jwt: JwtAuthenticatorConfig = {
    issuer: { url, audiences: [oidcClientId], ...(authority ? { certificateAuthority: authority } : {}) },
    claimMappings: {
      username: { claim, prefix: prefix === '-' ? '' : prefix },
      ...(oidcGroupsClaim ? { groups: { claim: oidcGroupsClaim, prefix: oidcGroupsPrefix } } : {}),
    },
    claimValidationRules: (flags.oidcRequiredClaim ?? []).map(([required, requiredValue]) => ({ claim: required, requiredValue })),
    signingAlgorithms: flags.oidcSigningAlgs ?? ['RS256'],
  }
  return { jwt: [jwt] }
}
