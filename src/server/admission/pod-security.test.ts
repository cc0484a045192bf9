import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/generated/types.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import type { Kind } from '#api/kind.ts'
import { keyOf, type KubeObject } from '#api/object.ts'
import { MemoryReader } from '#server/access/memory-reader.ts'
import { attributesOf } from '#server/attributes.ts'
import type { ServerContext } from '#server/request.ts'
import { podSecurity } from './pod-security.ts'
import { checkSecurity, type SecurityLevel } from './pod-security-checks.ts'
import { DEFAULT_POD_SECURITY, type PodSecurityConfig } from './pod-security-policy.ts'

type Spec = Partial<NonNullable<Pod['spec']>>
const pod = (spec: Spec, container: object = {}): Pod => ({
  metadata: { name: 'p', namespace: 'x' },
  spec: { containers: [{ name: 'c', ...container }], ...spec },
})

const BASELINE: [pod: Pod, finding: string][] = [
  [pod({ hostNetwork: true, hostPID: true }), 'host namespaces (hostNetwork=true, hostPID=true)'],
  [pod({}, { securityContext: { privileged: true } }), 'privileged (container "c" must not set securityContext.privileged=true)'],
  [
    pod({}, { securityContext: { capabilities: { add: ['SYS_ADMIN', 'CHOWN', 'NET_ADMIN'] } } }),
    'non-default capabilities (container "c" must not include "NET_ADMIN", "SYS_ADMIN" in securityContext.capabilities.add)',
  ],
  [
    pod({
      volumes: [
        { name: 'a', hostPath: { path: '/' } },
        { name: 'b', hostPath: { path: '/' } },
        { name: 'e', emptyDir: {} },
      ],
    }),
    'hostPath volumes (volumes "a", "b")',
  ],
  [pod({}, { ports: [{ containerPort: 1, hostPort: 80 }] }), 'hostPort (container "c" uses hostPort 80)'],
  [
    pod({ securityContext: { seccompProfile: { type: 'Unconfined' } } }),
    'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
  ],
  [pod({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }), 'forbidden sysctls (kernel.msgmax)'],
  [
    pod({}, { securityContext: { procMount: 'Unmasked' } }),
    'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
  ],
  [
    pod({}, { livenessProbe: { httpGet: { port: 1, host: '10.0.0.1' } } }),
    'probe or lifecycle host (container "c" uses probe or lifecycle host "10.0.0.1")',
  ],
]

/** As messages list them. */
const findings = (pod: Pod, level: SecurityLevel) => checkSecurity(pod, level).map(({ reason, detail }) => `${reason} (${detail})`)

test('checkSecurity of baseline', () => {
  assert.deepEqual(findings(pod({}), 'baseline'), [])
  for (const [given, finding] of BASELINE) {
    assert.deepEqual(findings(given, 'baseline'), [finding])
    assert.deepEqual(findings(given, 'privileged'), [])
  }
})

const locked = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
}

const RESTRICTED: [pod: Pod, findings: string[]][] = [
  [pod({}, { securityContext: locked }), []],
  [
    pod(
      { securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } } },
      { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } } },
    ),
    [],
  ],
  [
    pod({}),
    [
      'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
      'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])',
      'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
      'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ],
  ],
  [
    pod({ volumes: [{ name: 'n', nfs: { server: 's', path: '/' } }] }, { securityContext: { ...locked, runAsUser: 0 } }),
    ['restricted volume types (volume "n" uses restricted volume type "nfs")', 'runAsUser=0 (container "c" must not set runAsUser=0)'],
  ],
]

test('checkSecurity of restricted', () => {
  for (const [given, expected] of RESTRICTED) assert.deepEqual(findings(given, 'restricted'), expected)
})

const anna = { username: 'anna', groups: [] }

function ask(labels: Record<string, string>, kind: Kind<any>, object: KubeObject): string[] {
  const reader = new MemoryReader()
  reader.put(Namespace, { metadata: { name: 'x', labels } })
  const warnings: string[] = []
  podSecurity({ reader } as unknown as ServerContext).validate!({
    attributes: attributesOf(kind, { user: anna, verb: 'create', namespace: object.metadata?.namespace }),
    operation: 'CREATE',
    kind,
    object,
    dryRun: false,
    warn: (text) => warnings.push(text),
  })
  return warnings
}

const risky = pod({ hostNetwork: true })

test('PodSecurity refuses pods below the enforced level and warns below the other', () => {
  assert.throws(() => ask({ 'pod-security.kubernetes.io/enforce': 'baseline' }, PodKind, risky), {
    reason: 'Forbidden',
    message: 'pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
  })
  assert.deepEqual(
    ask({ 'pod-security.kubernetes.io/warn': 'baseline', 'pod-security.kubernetes.io/warn-version': 'v1.30' }, PodKind, risky),
    ['would violate PodSecurity "baseline:v1.30": host namespaces (hostNetwork=true)'],
  )
  assert.deepEqual(ask({}, PodKind, risky), [])
})

test('PodSecurity only warns about templates', () => {
  const deployment = { metadata: { name: 'd', namespace: 'x' }, spec: { selector: {}, template: { spec: risky.spec } } }
  const labels = { 'pod-security.kubernetes.io/enforce': 'baseline', 'pod-security.kubernetes.io/warn': 'baseline' }
  assert.deepEqual(ask(labels, Deployment, deployment), ['would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'])
})

test('PodSecurity refuses labels that name no level', () => {
  const wrong = { metadata: { name: 'n', labels: { 'pod-security.kubernetes.io/enforce': 'strict' } } }
  assert.throws(() => ask({}, Namespace, wrong), { reason: 'Invalid', message: /must be one of privileged, baseline, restricted/ })
})

const EDITIONS: [pod: Pod, level: 'baseline' | 'restricted', edition: number, reasons: string[]][] = [
  [pod({ securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } }), 'baseline', 31, ['forbidden sysctls']],
  [pod({ securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } }), 'baseline', 32, []],
  [pod({ securityContext: { seLinuxOptions: { type: 'container_engine_t' } } }), 'baseline', 30, ['seLinuxOptions']],
  [pod({ securityContext: { seLinuxOptions: { type: 'container_engine_t' } } }), 'baseline', 31, []],
  [pod({}, { livenessProbe: { httpGet: { port: 1, host: '10.0.0.1' } } }), 'baseline', 33, []],
  [pod({ hostUsers: false }, { securityContext: { procMount: 'Unmasked' } }), 'baseline', 34, ['procMount']],
  [pod({ hostUsers: false }, { securityContext: { procMount: 'Unmasked' } }), 'baseline', 35, []],
  [pod({ hostUsers: false }, { securityContext: { ...locked, procMount: 'Unmasked', runAsUser: 0 } }), 'restricted', 35, ['procMount']],
  [pod({}, { securityContext: { runAsNonRoot: true } }), 'restricted', 7, []],
  [
    pod({}, { securityContext: { runAsNonRoot: true, capabilities: { add: ['NET_ADMIN'] } } }),
    'restricted',
    21,
    ['non-default capabilities', 'allowPrivilegeEscalation != false', 'seccompProfile'],
  ],
  [pod({ os: { name: 'windows' } }, { securityContext: { runAsNonRoot: true } }), 'restricted', 25, []],
]

test('checkSecurity applies the edition a namespace names', () => {
  for (const [given, level, edition, reasons] of EDITIONS)
    assert.deepEqual(
      checkSecurity(given, level, edition).map(({ reason }) => reason),
      reasons,
      `${level} ${edition}`,
    )
})

const asked = (kind: Kind<any>, object: KubeObject, more: object = {}) => ({
  attributes: attributesOf(kind, { user: anna, verb: 'update', ...keyOf(object) }),
  operation: 'UPDATE' as const,
  kind,
  object,
  dryRun: true,
  warn: (_text: string) => {},
  ...more,
})

test('PodSecurity tells who tightens a namespace which pods would not be let in again', () => {
  const reader = new MemoryReader()
  for (const name of ['b', 'a', 'c']) reader.put(PodKind, { ...risky, metadata: { name, namespace: 'x' } })
  reader.put(PodKind, { ...pod({ hostPID: true }, { securityContext: { privileged: true } }), metadata: { name: 'd', namespace: 'x' } })
  reader.put(PodKind, { ...pod({}), metadata: { name: 'fine', namespace: 'x' } })
  const warnings: string[] = []
  const tighten = (labels: Record<string, string>, before: Record<string, string>, config = DEFAULT_POD_SECURITY) =>
    podSecurity({ reader } as unknown as ServerContext, config).validate!(
      asked(
        Namespace,
        { metadata: { name: 'x', labels } },
        {
          oldObject: { metadata: { name: 'x', labels: before } },
          warn: (text: string) => warnings.push(text),
        },
      ),
    )
  const enforce = 'pod-security.kubernetes.io/enforce'
  tighten({ [enforce]: 'baseline' }, {})
  assert.deepEqual(warnings.splice(0), [
    'existing pods in namespace "x" violate the new PodSecurity enforce level "baseline:latest"',
    'a (and 2 other pods): host namespaces',
    'd: host namespaces, privileged',
  ])
  tighten({ [enforce]: 'baseline' }, { [enforce]: 'restricted' })
  tighten({ [enforce]: 'privileged' }, { [enforce]: 'baseline' })
  assert.deepEqual(warnings, [])
  tighten({ [enforce]: 'baseline' }, {}, { ...DEFAULT_POD_SECURITY, exemptions: { usernames: [], runtimeClasses: [], namespaces: ['x'] } })
  assert.deepEqual(warnings, ['namespace "x" is exempt from Pod Security, and the policy (enforce=baseline:latest) will be ignored'])
})

test('PodSecurity lets wrong labels stay that were there before', () => {
  const labels = { 'pod-security.kubernetes.io/enforce': 'strict' }
  const plugin = podSecurity({ reader: new MemoryReader() } as unknown as ServerContext)
  const change = (oldLabels: object) =>
    plugin.validate!(asked(Namespace, { metadata: { name: 'x', labels } }, { oldObject: { metadata: { labels: oldLabels } } }))
  assert.doesNotThrow(() => change(labels))
  assert.throws(() => change({}), { reason: 'Invalid' })
})

test('PodSecurity looks again at a pod whose image changes, and at no other change', () => {
  const reader = new MemoryReader()
  reader.put(Namespace, { metadata: { name: 'x', labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } } })
  const plugin = podSecurity({ reader } as unknown as ServerContext)
  const withImage = (image: string) => pod({ hostNetwork: true }, { image })
  const update = (image: string) => plugin.validate!(asked(PodKind, withImage(image), { oldObject: withImage('a') }))
  assert.doesNotThrow(() => update('a'))
  assert.throws(() => update('b'), { reason: 'Forbidden' })
})

test('PodSecurity takes defaults and exemptions', () => {
  const reader = new MemoryReader()
  reader.put(Namespace, { metadata: { name: 'x' } })
  const create = (exemptions: Partial<PodSecurityConfig['exemptions']>, given = risky) => {
    const defaults = { ...DEFAULT_POD_SECURITY.defaults, enforce: { level: 'baseline', version: 'v1.30' } as const }
    const config = { defaults, exemptions: { ...DEFAULT_POD_SECURITY.exemptions, ...exemptions } }
    podSecurity({ reader } as unknown as ServerContext, config).validate!(asked(PodKind, given, { operation: 'CREATE' }))
  }
  assert.throws(() => create({}), { message: /violates PodSecurity "baseline:v1.30"/ })
  assert.doesNotThrow(() => create({ usernames: ['anna'] }))
  assert.doesNotThrow(() => create({ namespaces: ['x'] }))
  assert.doesNotThrow(() => create({ runtimeClasses: ['kata'] }, pod({ hostNetwork: true, runtimeClassName: 'kata' })))
})
