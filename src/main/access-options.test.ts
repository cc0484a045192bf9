import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { AuthenticationTokenRequest } from '#api/generated/types.ts'
import type { AccessFlags } from '#cli/access-flags.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { legacyToken } from '#server/access/legacy-tokens.ts'
import { createApiServer } from '#server/api-server.ts'
import { clusterExtensions, serviceAccountIssuer } from '#server/cluster-extensions.ts'
import { type Answerer, startStranger } from '#server/outgoing/testing.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { createMemoryStore } from '#store/memory.ts'
import { accessOptions, signingKey } from './access-options.ts'

const OWN = serviceAccountIssuer('cluster.local')

function folder(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'access-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return (name: string, content: string | object) => {
    const path = join(directory, name)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
}

async function stranger(t: TestContext, answerer: Answerer) {
  const started = await startStranger(answerer)
  t.after(() => started[Symbol.asyncDispose]())
  const kubeconfig = {
    clusters: [{ name: 'c', cluster: { server: `${started.url}/review`, 'certificate-authority-data': started.caBundle } }],
    users: [{ name: 'u', user: { token: 'shown' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  }
  return { started, kubeconfig }
}

/** A cluster's API server on a socket, and what it answers to a token. */
async function startWith(t: TestContext, flags: AccessFlags) {
  const directory = mkdtempSync(join(tmpdir(), 'pki-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const pki = await ensurePki({ directory, clock: systemClock, random: systemRandom, hostName: 'boat', addresses: ['127.0.0.1'] })
  const access = await accessOptions(flags, OWN)
  const server = createApiServer({
    store: createMemoryStore(),
    listen: { host: '127.0.0.1', port: 0, tls: { key: pki.serving.key, cert: pki.serving.certificate, clientCa: pki.authority } },
    extensions: (context) =>
      clusterExtensions(context, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '192.0.2.1', port: 6443, access }),
  })
  const running = await server.start(new AbortController().signal)
  t.after(() => running[Symbol.asyncDispose]())
  const agent = new Agent({ ca: pki.authority })
  t.after(() => agent.destroy())
  const ask = (path: string, token?: string) =>
    new Promise<{ status: number; body: any }>((resolve, reject) => {
      const headers = token ? { authorization: `Bearer ${token}` } : {}
      request(`${server.url}${path}`, { agent, headers }, (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString()
          resolve({ status: answer.statusCode!, body: text.startsWith('{') ? JSON.parse(text) : text })
        })
      })
        .on('error', reject)
        .end()
    })
  return { ask, server, pki, admin: server.clientFor({ username: 'admin', groups: ['system:masters'] }) }
}

const viewers = (subject: object): ClusterRoleBinding => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'viewers' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', ...subject } as never],
})

const PODS = '/api/v1/pods'

test('oidc flags let in whom the issuer vouches for', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256' }
  const { started } = await stranger(t, ({ path }) =>
    path === '/keys' ? { keys: [jwk] } : { issuer: started.url, jwks_uri: `${started.url}/keys` },
  )
  const write = folder(t)
  const { ask, admin } = await startWith(t, {
    oidcIssuerUrl: started.url,
    oidcClientId: 'cluster',
    oidcCaFile: write('ca.crt', Buffer.from(started.caBundle, 'base64').toString()),
    oidcGroupsClaim: 'groups',
    oidcGroupsPrefix: 'g:',
  })
  await admin.create(ClusterRoleBinding, viewers({ kind: 'Group', name: 'g:crew' }))
  const token = (claims: object) =>
    new SignJWT({ sub: 'anna', aud: 'cluster', ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .setIssuer(started.url)
      .setExpirationTime('5m')
      .sign(privateKey)
  assert.equal((await ask(PODS, await token({ groups: ['crew'] }))).status, 200)
  const refused = await ask(PODS, await token({}))
  assert.equal(
    refused.body.message,
    `pods is forbidden: User "${started.url}#anna" cannot list resource "pods" in API group "" at the cluster scope`,
  )
  assert.equal((await ask(PODS, await token({ aud: 'other' }))).status, 401)
  assert.equal((await ask(PODS)).status, 401)
  assert.equal((await ask('/healthz')).status, 200)
})

test('webhooks authenticate, authorise, and are asked once for the same', async (t) => {
  const { started, kubeconfig } = await stranger(t, ({ body }) => {
    const { kind, spec } = JSON.parse(body)
    if (kind === 'TokenReview') {
      const good = spec.token === 'good'
      return { status: good ? { authenticated: true, user: { username: 'anna', groups: ['crew'] } } : { authenticated: false } }
    }
    const { verb, resource } = spec.resourceAttributes ?? {}
    return {
      status:
        verb === 'list' && resource === 'pods' ? { allowed: true } : { allowed: false, denied: verb === 'watch', reason: 'not today' },
    }
  })
  const write = folder(t)
  const webhook = write('webhook.json', kubeconfig)
  const { ask } = await startWith(t, {
    authenticationTokenWebhookConfigFile: webhook,
    authenticationTokenWebhookVersion: 'v1',
    authorizationMode: ['Webhook', 'RBAC'],
    authorizationWebhookConfigFile: webhook,
    authorizationWebhookVersion: 'v1',
  })
  for (let round = 0; round < 2; round++) assert.equal((await ask(PODS, 'good')).status, 200)
  assert.deepEqual(
    started.calls.map(({ path, headers }) => [path, headers['authorization']]),
    [
      ['/review', 'Bearer shown'],
      ['/review', 'Bearer shown'],
    ],
  )
  assert.deepEqual(JSON.parse(started.calls[1]!.body).spec, {
    resourceAttributes: { verb: 'list', version: 'v1', resource: 'pods' },
    user: 'anna',
    groups: ['crew', 'system:authenticated'],
    extra: {},
    uid: '',
  })
  const refused = await ask('/api/v1/secrets', 'good')
  assert.match(refused.body.message, /^secrets is forbidden: User "anna" cannot list resource "secrets" .*: not today$/)
  assert.equal((await ask(PODS, 'bad')).status, 401)
})

test('an AuthorizationConfiguration asks a webhook only for what its conditions match, and fails as it says', async (t) => {
  let broken = false
  const { started, kubeconfig } = await stranger(t, (_call, response) => {
    if (!broken) return { status: { allowed: true } }
    response.statusCode = 400
    return 'no'
  })
  const write = folder(t)
  const authorizationConfig = write('authorization.json', {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthorizationConfiguration',
    authorizers: [
      {
        type: 'Webhook',
        name: 'w',
        webhook: {
          timeout: '30s',
          subjectAccessReviewVersion: 'v1',
          matchConditionSubjectAccessReviewVersion: 'v1',
          failurePolicy: 'Deny',
          connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: write('webhook.json', kubeconfig) },
          matchConditions: [
            { expression: 'has(request.resourceAttributes) && request.resourceAttributes.resource == "pods"' },
            { expression: '!has(request.resourceAttributes.namespace) || request.resourceAttributes.namespace == "x"' },
            { expression: '!("system:serviceaccounts:kube-system" in request.groups)' },
          ],
        },
      },
      { type: 'RBAC', name: 'rbac' },
    ],
  })
  const { server } = await startWith(t, { authorizationConfig })
  const anna = server.clientFor({ username: 'anna', groups: ['system:authenticated'] })
  await anna.list(Pod)
  await assert.rejects(anna.list(Secret), { reason: 'Forbidden' })
  await assert.rejects(anna.list(Pod, { namespace: 'y' }), { reason: 'Forbidden' })
  assert.equal(started.calls.length, 1)
  broken = true
  await assert.rejects(anna.list(Pod, { namespace: 'x' }), { code: 500, message: /the webhook answered 400/ })
})

test('bootstrap tokens let machines in for as long as their Secret says so', async (t) => {
  const { ask, admin } = await startWith(t, {})
  const put = (id: string, data: Record<string, string>) =>
    admin.create(Secret, {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'bootstrap.kubernetes.io/token',
      metadata: { namespace: 'kube-system', name: `bootstrap-token-${id}` },
      stringData: { 'token-id': id, 'token-secret': '0123456789abcdef', 'usage-bootstrap-authentication': 'true', ...data },
    } as Secret)
  await put('aaaaaa', { 'auth-extra-groups': 'system:bootstrappers:crew' })
  await put('bbbbbb', { expiration: '2020-01-01T00:00:00Z' })
  await put('cccccc', { 'usage-bootstrap-authentication': 'false' })
  await put('dddddd', { 'auth-extra-groups': 'system:masters' })
  const refused = await ask(PODS, 'aaaaaa.0123456789abcdef')
  assert.match(refused.body.message, /User "system:bootstrap:aaaaaa" cannot list/)
  for (const id of ['bbbbbb', 'cccccc', 'dddddd', 'eeeeee']) assert.equal((await ask(PODS, `${id}.0123456789abcdef`)).status, 401, id)
  assert.equal((await ask(PODS, 'aaaaaa.0123456789abcdee')).status, 401)
})

test('tokens in Secrets are good while the Secret holds them, and their use is noted', async (t) => {
  const { ask, admin, pki } = await startWith(t, {})
  const account = await admin.create<ServiceAccount, ServiceAccount>(ServiceAccount, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace: 'default', name: 'robot' },
  })
  const of = { namespace: 'default', account: { name: 'robot', uid: account.metadata!.uid! }, secret: 'robot-token' }
  const token = legacyToken(pki.serviceAccountKey, of)
  assert.equal((await ask(PODS, token)).status, 401)
  const key = { namespace: 'default', name: 'robot-token' }
  await admin.create(Secret, {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/service-account-token',
    metadata: { ...key, annotations: { 'kubernetes.io/service-account.name': 'robot' } },
    data: { token: Buffer.from(token).toString('base64') },
  } as Secret)
  assert.match((await ask(PODS, token)).body.message, /User "system:serviceaccount:default:robot" cannot list/)
  const { metadata } = await admin.get(Secret, key)
  assert.match(metadata?.labels?.['kubernetes.io/legacy-token-last-used'] ?? '', /^\d{4}-\d{2}-\d{2}$/)
  await admin.patch(Secret, key, {
    type: 'merge',
    patch: { metadata: { labels: { 'kubernetes.io/legacy-token-invalid-since': '2024-01-01' } } },
  })
  assert.equal((await ask(PODS, token)).status, 401)
})

test('several issuers of service-account tokens are believed, the first signs', async (t) => {
  const flags = { serviceAccountIssuer: ['https://new.example', OWN], serviceAccountJwksUri: 'https://new.example/keys' }
  const { ask, admin } = await startWith(t, flags)
  await admin.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'default', name: 'robot' } })
  const { status } = await admin.create<ServiceAccount, AuthenticationTokenRequest>(
    ServiceAccount,
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [] } },
    { namespace: 'default', name: 'robot', subresource: 'token' },
  )
  const claims = JSON.parse(Buffer.from(status!.token!.split('.')[1]!, 'base64url').toString())
  assert.deepEqual([claims.iss, claims.aud], ['https://new.example', ['https://new.example', OWN]])
  const discovery = await ask('/.well-known/openid-configuration', status!.token)
  assert.deepEqual(
    [discovery.status, discovery.body.issuer, discovery.body.jwks_uri],
    [200, 'https://new.example', 'https://new.example/keys'],
  )
})

test('signingKey takes the place of the own key, whose tokens are believed while it is named', async (t) => {
  const write = folder(t)
  const [old, next] = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }))
  const pem = (key: KeyObject, type: 'pkcs8' | 'spki') => key.export({ format: 'pem', type: type as 'spki' }).toString()
  const flags = {
    serviceAccountSigningKeyFile: write('next.key', pem(next!.privateKey, 'pkcs8')),
    serviceAccountKeyFile: [write('old.pub', pem(old!.publicKey, 'spki')), write('next.pub', pem(next!.publicKey, 'spki'))],
  }
  assert.equal((await signingKey(flags))?.publicKey.equals(next!.publicKey), true)
  const { believedKeys = [] } = await accessOptions(flags, OWN)
  assert.deepEqual(
    believedKeys.map((key) => key.equals(old!.publicKey)),
    [true, false],
  )
  assert.equal(await signingKey({}), undefined)
})

const HEAD = { apiVersion: 'apiserver.config.k8s.io/v1' }
const WRONG: [flag: string, flags: (write: ReturnType<typeof folder>) => AccessFlags, message: RegExp][] = [
  [
    'a file that is not there',
    () => ({ authenticationConfig: '/nowhere' }),
    /^--authentication-config \/nowhere: no such file or directory$/,
  ],
  [
    'a key file without a key',
    (write) => ({ serviceAccountKeyFile: [write('k', 'none')] }),
    /^--service-account-key-file .*: data does not contain any valid RSA or ECDSA public keys$/,
  ],
  [
    'an authorizer there is not',
    (write) => ({
      authorizationConfig: write('a', { ...HEAD, kind: 'AuthorizationConfiguration', authorizers: [{ type: 'X', name: 'x' }] }),
    }),
    /authorizers\[0\]\.type: Unsupported value: "X": supported values: "AlwaysAllow"/,
  ],
  [
    'a kubeconfig that runs programs',
    (write) => ({
      authenticationTokenWebhookConfigFile: write('k', {
        clusters: [{ name: 'c', cluster: { server: 'https://a' } }],
        users: [{ name: 'u', user: { exec: {} } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    }),
    /^--authentication-token-webhook-config-file .*: users: exec is not supported/,
  ],
  [
    'a policy that is none',
    (write) => ({ authorizationMode: ['ABAC'], authorizationPolicyFile: write('p', '{}\n') }),
    /line 1: only kind Policy/,
  ],
]

test('accessOptions name the flag and what is wrong with it', async (t) => {
  const write = folder(t)
  for (const [title, flags, message] of WRONG)
    await assert.rejects(accessOptions(flags(write), OWN), { name: 'UsageError', message }, title)
})

for (const [anonymousAuth, live, pods] of [
  [undefined, 200, 401],
  [true, 200, 403],
  [false, 401, 401],
] as const)
  test(`--anonymous-auth ${anonymousAuth} lets nobody in particular ask for health: ${live}, pods: ${pods}`, async (t) => {
    const { ask } = await startWith(t, anonymousAuth === undefined ? {} : { anonymousAuth })
    assert.deepEqual([(await ask('/livez')).status, (await ask(PODS)).status], [live, pods])
  })

test('--anonymous-auth beside a file that says who is anonymous is refused', async (t) => {
  const file = folder(t)('a.yaml', {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthenticationConfiguration',
    anonymous: { enabled: false },
  })
  await assert.rejects(accessOptions({ authenticationConfig: file, anonymousAuth: true }, OWN), {
    name: 'UsageError',
    message: '--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file',
  })
})

test('accessOptions tells how long tokens live', async () => {
  const flags = { serviceAccountMaxTokenExpiration: '1h30m', serviceAccountExtendTokenExpiration: false }
  const { maxTokenSeconds, extendTokens } = await accessOptions(flags, OWN)
  assert.deepEqual([maxTokenSeconds, extendTokens], [5400, false])
  assert.equal((await accessOptions({ serviceAccountMaxTokenExpiration: '0' }, OWN)).maxTokenSeconds, undefined)
})
