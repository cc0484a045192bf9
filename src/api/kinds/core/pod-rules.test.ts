// One row a rule of pods' specs, in upstream's words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createdObject, createErrors, errorTexts, testContext } from '#api/kinds/minimal-objects.ts'
import { Pod } from './pod.ts'

type Fields = Record<string, unknown>
type Row = [what: string, fields: Fields, expected: string[]]

const env = (entry: Fields): Fields => ({ env: [{ name: 'A', ...entry }] })
const rule = (fields: Fields): Fields => ({ restartPolicy: 'Never', restartPolicyRules: [fields] })
const exit = { action: 'Restart', exitCodes: { operator: 'In', values: [1] } }

const ofContainers: Row[] = [
  ['a variable without a name', env({ name: '' }), ['env[0].name: Required value']],
  [
    'a variable with a value and a source',
    env({ value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }),
    ['env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
  ],
  [
    'a variable from nothing',
    env({ valueFrom: {} }),
    [
      'env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    ],
  ],
  [
    'a key of a config map without its name',
    env({ valueFrom: { configMapKeyRef: { key: 'k' } } }),
    [
      `env[0].valueFrom.configMapKeyRef.name: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    ],
  ],
  [
    'a variable from an unknown resource',
    env({ valueFrom: { resourceFieldRef: { resource: 'limits.gpus' } } }),
    [
      'env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpus": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"',
    ],
  ],
  ['variables from nowhere', { envFrom: [{}] }, ['envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`']],
  [
    'a signal to two places',
    { lifecycle: { preStop: { exec: { command: ['a'] }, sleep: { seconds: 1 } } } },
    ['lifecycle.preStop.sleep: Forbidden: may not specify more than 1 handler type'],
  ],
  ['a command of nothing', { livenessProbe: { exec: { command: [] } } }, ['livenessProbe.exec.command: Required value']],
  [
    'a probe with an unknown scheme',
    { readinessProbe: { httpGet: { port: 80, scheme: 'GOPHER' } } },
    ['readinessProbe.httpGet.scheme: Unsupported value: "GOPHER": supported values: "HTTP", "HTTPS"'],
  ],
  [
    'a probe of a header out of form',
    { readinessProbe: { httpGet: { port: 80, httpHeaders: [{ name: 'a b', value: '' }] } } },
    [
      `readinessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')`,
    ],
  ],
  [
    'liveness that takes two successes',
    { livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } },
    ['livenessProbe.successThreshold: Invalid value: 2: must be 1'],
  ],
  [
    'readiness that kills with grace',
    { readinessProbe: { tcpSocket: { port: 80 }, terminationGracePeriodSeconds: 3 } },
    ['readinessProbe.terminationGracePeriodSeconds: Invalid value: 3: must not be set for readinessProbes'],
  ],
  [
    'a restart rule without a policy',
    { restartPolicyRules: [exit] },
    ['restartPolicy: Required value: must specify restartPolicy when restart rules are used'],
  ],
  [
    'a restart rule of unknown action',
    rule({ ...exit, action: 'Wait' }),
    ['restartPolicyRules[0].action: Unsupported value: "Wait": supported values: "Restart", "RestartAllContainers"'],
  ],
  ['a restart rule for no exit', rule({ action: 'Restart' }), ['restartPolicyRules[0].exitCodes: Required value: must be specified']],
  [
    'a restart rule with too many codes',
    rule({ ...exit, exitCodes: { operator: 'In', values: Array.from({ length: 256 }, (_, code) => code) } }),
    ['restartPolicyRules[0].exitCodes.values: Too many: 256: must have at most 255 items'],
  ],
  [
    'privilege that may not grow',
    { securityContext: { privileged: true, allowPrivilegeEscalation: false } },
    [
      'securityContext: Invalid value: {"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    ],
  ],
  [
    'an unknown profile of system calls',
    { securityContext: { seccompProfile: { type: 'Some' } } },
    ['securityContext.seccompProfile.type: Unsupported value: "Some": supported values: "Localhost", "RuntimeDefault", "Unconfined"'],
  ],
  ['a device that is no block volume', { volumeDevices: [{ name: 'x', devicePath: '/dev/x' }] }, ['volumeDevices[0].name: Not found: "x"']],
  [
    'a claim nobody made',
    { resources: { claims: [{ name: 'c' }] } },
    ['resources.claims[0]: Not found: "c": must be one of the names in pod.spec.resourceClaims which is empty'],
  ],
]

const ofSpecs: Row[] = [
  ['a name of a host with dots', { hostname: 'a.b' }, [`spec.hostname: Invalid value: "a.b": must not contain dots`]],
  [
    'a host alias that is no address',
    { hostAliases: [{ ip: 'x', hostnames: ['a'] }] },
    ['spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    'too many name servers',
    { dnsConfig: { nameservers: ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'] } },
    ['spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]: must not have more than 3 nameservers'],
  ],
  ['a gate twice', { schedulingGates: [{ name: 'g' }, { name: 'g' }] }, ['spec.schedulingGates[1]: Duplicate value: "g"']],
  [
    'a spread over nothing',
    { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: '', whenUnsatisfiable: 'DoNotSchedule' }] },
    [
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty',
    ],
  ],
  [
    'a sysctl out of form',
    { securityContext: { sysctls: [{ name: 'a..b', value: '1' }] } },
    [
      'spec.securityContext.sysctls[0].name: Invalid value: "a..b": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$',
    ],
  ],
  [
    'a volume of two sources',
    { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/a' } }] },
    ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    'a projection of two sources',
    { volumes: [{ name: 'v', projected: { sources: [{ configMap: { name: 'a' }, secret: { name: 'b' } }] } }] },
    ['spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source'],
  ],
  [
    'a claim of two kinds',
    { resourceClaims: [{ name: 'c', resourceClaimName: 'a', resourceClaimTemplateName: 'b' }] },
    [
      'spec.resourceClaims[0]: Invalid value: {"Name":"c","ResourceClaimName":"a","ResourceClaimTemplateName":"b"}: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
    ],
  ],
  ['an unknown system', { os: { name: 'plan9' } }, ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"']],
  [
    'the name space of users with the host network',
    { hostUsers: false, hostNetwork: true },
    ['spec.hostNetwork: Forbidden: when `hostUsers` is false'],
  ],
  [
    'a pod-level resource below its containers',
    { resources: { requests: { cpu: '1' } }, containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '2' } } }] },
    ['spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2'],
  ],
  [
    'a toleration of everything with a value',
    { tolerations: [{ operator: 'Exists', value: 'v' }] },
    ['spec.tolerations[0].operator: Invalid value: "v": value must be empty when `operator` is \'Exists\''],
  ],
  [
    'affinity to no topology',
    { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: {}, topologyKey: '' }] } } },
    [
      'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty',
      `spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty`,
      `spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
    ],
  ],
]

for (const [what, fields, expected] of ofContainers)
  test(`Pod refuses in a container ${what}`, () => {
    const errors = createErrors(Pod, (pod: any) => Object.assign(pod.spec.containers[0], fields))
    assert.deepEqual(
      errors,
      expected.map((text) => `spec.containers[0].${text}`),
    )
  })

for (const [what, fields, expected] of ofSpecs)
  test(`Pod refuses in its spec ${what}`, () =>
    assert.deepEqual(
      createErrors(Pod, (pod: any) => Object.assign(pod.spec, fields)),
      expected,
    ))

const status = (fields: Fields, before: Fields = {}): string[] => {
  const previous = createdObject(Pod)
  Object.assign(previous.status!, before)
  const next = { ...previous, status: { ...previous.status, ...fields } }
  return errorTexts(Pod.validate!(next, previous, { ...testContext, subresource: 'status' }))
}

const ended = { containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 1 } } }] }
const ofStatus: [...Row, before?: Fields][] = [
  [
    'addresses of one family',
    { podIPs: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }] },
    ['status.podIPs: Invalid value: [{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]: may specify no more than one IP for each IP family'],
  ],
  ['another class of service', { qosClass: 'Guaranteed' }, ['status.qosClass: Invalid value: "Guaranteed": field is immutable']],
  [
    'a claim that the spec does not name',
    { resourceClaimStatuses: [{ name: 'x' }] },
    ['status.resourceClaimStatuses[0].name: Invalid value: "x": must match the name of an entry in `spec.resourceClaims`'],
  ],
  [
    'life after an ephemeral container ended',
    { ephemeralContainerStatuses: [{ name: 'e', state: { running: {} } }] },
    ['status.ephemeralContainerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state'],
    { ephemeralContainerStatuses: [{ name: 'e', state: { terminated: { exitCode: 0 } } }] },
  ],
  ['a container started again', { containerStatuses: [{ name: 'c', state: { running: {} } }] }, [], ended],
]

for (const [what, fields, expected, before] of ofStatus)
  test(`Pod status ${expected.length > 0 ? 'refuses' : 'accepts'} ${what}`, () => assert.deepEqual(status(fields, before), expected))
