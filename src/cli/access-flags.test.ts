import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ACCESS_FLAGS, accessFlagsOf } from './access-flags.ts'

const parse = (name: string, text: string, before?: unknown) =>
  ACCESS_FLAGS.find(({ flags }) => flags.startsWith(`${name} `))!.parse(text, before)

const WRONG: [flag: string, text: string, message: RegExp][] = [
  ['--authorization-mode', 'Node,Rbac', /^--authorization-mode Node,Rbac: "Rbac" is none of AlwaysAllow/],
  ['--authorization-mode', 'Node,Node', /Node is said twice/],
  ['--oidc-issuer-url', 'http://a', /^--oidc-issuer-url http:\/\/a: an address that begins with https:/],
  ['--oidc-required-claim', 'x', /^--oidc-required-claim x: say claim=value/],
  ['--oidc-signing-algs', 'none', /"none" is none of RS256/],
  ['--authentication-token-webhook-version', 'v2', /say v1 or v1beta1/],
  ['--authentication-token-webhook-cache-ttl', '2 minutes', /a duration is needed/],
  ['--service-account-issuer', 'https://', /not a valid URL/],
  ['--service-account-max-token-expiration', '30m', /must be between 1 hour and 2\^32 seconds/],
  ['--service-account-max-token-expiration', '2 hours', /a duration is needed/],
  ['--service-account-extend-token-expiration', 'no', /say true or false/],
  ['--cors-allowed-origins', 'https:(', /^--cors-allowed-origins https:\(: missing closing \)/],
  ['--cors-allowed-origins', 'example.com', /does not pin to start\/end of host in the origin header/],
  ['--cors-allowed-origins', '//example.com', /does not pin to start\/end/],
  ['--anonymous-auth', 'yes', /^--anonymous-auth yes: say true or false/],
]

test('ACCESS_FLAGS refuse what is malformed by name', () => {
  for (const [flag, text, message] of WRONG) assert.throws(() => parse(flag, text), { name: 'UsageError', message }, flag)
})

const CONTRADICTIONS: [options: object, message: RegExp][] = [
  [{ authenticationConfig: '/a', oidcClientId: 'x' }, /mutually exclusive: leave out --oidc-client-id/],
  [{ oidcClientId: 'x' }, /oidc-issuer-url and oidc-client-id must be specified together/],
  [
    { authorizationConfig: '/a', authorizationMode: ['RBAC'] },
    /--authorization-config can not be specified when --authorization-mode are specified/,
  ],
  [{ authorizationMode: ['ABAC'] }, /--authorization-mode's ABAC needs --authorization-policy-file/],
  [{ authorizationWebhookConfigFile: '/a' }, /cannot specify --authorization-webhook-config-file without mode Webhook/],
]

test('accessFlagsOf refuses flags that contradict each other', () => {
  for (const [options, message] of CONTRADICTIONS) assert.throws(() => accessFlagsOf(options), { name: 'UsageError', message })
})

test('accessFlagsOf takes what is about access and gathers what is said again', () => {
  const serviceAccountIssuer = parse('--service-account-issuer', 'https://b', parse('--service-account-issuer', 'https://a'))
  assert.deepEqual(accessFlagsOf({ port: '1', serviceAccountIssuer }), { serviceAccountIssuer: ['https://a', 'https://b'] })
})
