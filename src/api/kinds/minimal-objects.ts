// For tests: the least that each kind accepts, as a client would send it; and how the server would make an object of it.
import type { FieldError } from '#api/field-error.ts'
import type { HookContext, Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'

type Json = Record<string, any>

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } }
const selector = { matchLabels: { app: 'a' } }
const jobTemplate = { spec: { containers: [{ name: 'c', image: 'nginx' }], restartPolicy: 'Never' } }
const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }
const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }
const webhook = {
  name: 'a.example.com',
  clientConfig: { url: 'https://example.com/a' },
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  rules: [rule],
}
/** Signed by a key nobody has kept. */
const pem = `-----BEGIN CERTIFICATE REQUEST-----
MIGLMD8CAQAwDDEKMAgGA1UEAwwBdTAqMAUGAytlcAMhAOiXOOgt/0Bm9+qr0BV4
GwR4WXMEZ2KlWdIJ+1j41x58oAAwBQYDK2VwA0EAaryEzvA+qhO1CSmN3bFIuaE6
8IJrAUYLJNmPmtAYtwKVfWNgkSewwU8LOr5SI5YJMq1LCYuHnHH5JHVE1paUAg==
-----END CERTIFICATE REQUEST-----
`

/** By `kind.group/version`, without what every object has. */
const BODIES: Record<string, Json> = {
  'Binding./v1': { target: { name: 'node' } },
  'ComponentStatus./v1': {},
  'ConfigMap./v1': { data: { key: 'value' } },
  'Endpoints./v1': { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] },
  'Event./v1': { involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' }, reason: 'Started', type: 'Normal' },
  'LimitRange./v1': { spec: { limits: [{ type: 'Container', max: { cpu: '2' } }] } },
  'Namespace./v1': {},
  'Node./v1': {},
  'PersistentVolumeClaim./v1': { spec: claim },
  'PersistentVolume./v1': { spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/data' } } },
  'Pod./v1': { spec: { containers: [{ name: 'c', image: 'nginx' }] } },
  'PodTemplate./v1': { template },
  'ReplicationController./v1': { spec: { template } },
  'ResourceQuota./v1': { spec: { hard: { pods: '10', 'requests.cpu': '4' } } },
  'Secret./v1': { stringData: { key: 'value' } },
  'ServiceAccount./v1': {},
  'Service./v1': { spec: { ports: [{ port: 80 }], selector: { app: 'a' } } },
  'APIService.apiregistration.k8s.io/v1': {
    metadata: { name: 'v1.example.com' },
    spec: { group: 'example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 15 },
  },
  'ControllerRevision.apps/v1': { revision: 1, data: { spec: {} } },
  'DaemonSet.apps/v1': { spec: { selector, template } },
  'Deployment.apps/v1': { spec: { selector, template } },
  'ReplicaSet.apps/v1': { spec: { selector, template } },
  'StatefulSet.apps/v1': {
    spec: { serviceName: 's', selector, template, volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claim }] },
  },
  'Event.events.k8s.io/v1': {
    regarding: { kind: 'Pod', namespace: 'default', name: 'p' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reason: 'Started',
    action: 'Start',
    type: 'Normal',
    reportingController: 'example.com/tester',
    reportingInstance: 'one',
  },
  'SelfSubjectReview.authentication.k8s.io/v1': {},
  'TokenReview.authentication.k8s.io/v1': { spec: { token: 't' } },
  'LocalSubjectAccessReview.authorization.k8s.io/v1': {
    metadata: { namespace: 'default' },
    spec: { user: 'u', resourceAttributes: { namespace: 'default', verb: 'get', resource: 'pods' } },
  },
  'SelfSubjectAccessReview.authorization.k8s.io/v1': { metadata: {}, spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } },
  'SelfSubjectRulesReview.authorization.k8s.io/v1': { metadata: {}, spec: { namespace: 'default' } },
  'SubjectAccessReview.authorization.k8s.io/v1': {
    metadata: {},
    spec: { user: 'u', resourceAttributes: { verb: 'get', resource: 'pods' } },
  },
  'HorizontalPodAutoscaler.autoscaling/v2': {
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } },
  },
  'HorizontalPodAutoscaler.autoscaling/v1': {
    spec: { maxReplicas: 3, targetCPUUtilizationPercentage: 70, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } },
  },
  'CronJob.batch/v1': { spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: jobTemplate } } } },
  'Job.batch/v1': { spec: { template: jobTemplate } },
  'CertificateSigningRequest.certificates.k8s.io/v1': {
    spec: { request: Buffer.from(pem).toString('base64'), signerName: 'example.com/signer', usages: ['client auth'] },
  },
  'IngressClass.networking.k8s.io/v1': { spec: { controller: 'example.com/controller' } },
  'Ingress.networking.k8s.io/v1': { spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } } },
  'IPAddress.networking.k8s.io/v1': {
    metadata: { name: '10.96.0.1' },
    spec: { parentRef: { resource: 'services', name: 's', namespace: 'default' } },
  },
  'NetworkPolicy.networking.k8s.io/v1': { spec: { podSelector: {} } },
  'ServiceCIDR.networking.k8s.io/v1': { spec: { cidrs: ['10.96.0.0/12'] } },
  'PodDisruptionBudget.policy/v1': { spec: { minAvailable: 1, selector } },
  'ClusterRoleBinding.rbac.authorization.k8s.io/v1': { roleRef, subjects: [{ kind: 'User', name: 'u' }] },
  'ClusterRole.rbac.authorization.k8s.io/v1': { rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] },
  'RoleBinding.rbac.authorization.k8s.io/v1': { roleRef, subjects: [{ kind: 'ServiceAccount', name: 's', namespace: 'default' }] },
  'Role.rbac.authorization.k8s.io/v1': { rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] },
  'CSIDriver.storage.k8s.io/v1': { spec: {} },
  'CSINode.storage.k8s.io/v1': { spec: { drivers: [{ name: 'd.example.com', nodeID: 'n' }] } },
  'CSIStorageCapacity.storage.k8s.io/v1': { storageClassName: 'fast', capacity: '1Gi' },
  'StorageClass.storage.k8s.io/v1': { provisioner: 'example.com/p' },
  'VolumeAttachment.storage.k8s.io/v1': { spec: { attacher: 'd.example.com', nodeName: 'n', source: { persistentVolumeName: 'pv' } } },
  'VolumeAttributesClass.storage.k8s.io/v1': { driverName: 'd.example.com', parameters: { iops: '100' } },
  'MutatingAdmissionPolicy.admissionregistration.k8s.io/v1': {
    spec: {
      matchConstraints: { resourceRules: [rule] },
      reinvocationPolicy: 'Never',
      mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/a"}]' } }],
    },
  },
  'MutatingAdmissionPolicyBinding.admissionregistration.k8s.io/v1': { spec: { policyName: 'p' } },
  'MutatingWebhookConfiguration.admissionregistration.k8s.io/v1': { webhooks: [webhook] },
  'ValidatingAdmissionPolicy.admissionregistration.k8s.io/v1': {
    spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: 'true' }] },
  },
  'ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io/v1': { spec: { policyName: 'p', validationActions: ['Deny'] } },
  'ValidatingWebhookConfiguration.admissionregistration.k8s.io/v1': { webhooks: [webhook] },
  'CustomResourceDefinition.apiextensions.k8s.io/v1': {
    metadata: { name: 'foos.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'foos', kind: 'Foo' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  },
  'PriorityClass.scheduling.k8s.io/v1': { value: 1000 },
  'Lease.coordination.k8s.io/v1': { spec: { holderIdentity: 'me', leaseDurationSeconds: 15 } },
  'RuntimeClass.node.k8s.io/v1': { handler: 'runc' },
  'EndpointSlice.discovery.k8s.io/v1': { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] },
  'DeviceClass.resource.k8s.io/v1': { spec: {} },
  'ResourceClaim.resource.k8s.io/v1': { spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } } },
  'ResourceClaimTemplate.resource.k8s.io/v1': {
    spec: { spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } } },
  },
  'ResourceSlice.resource.k8s.io/v1': {
    spec: { driver: 'd.example.com', nodeName: 'n', pool: { name: 'p', generation: 1, resourceSliceCount: 1 } },
  },
  'FlowSchema.flowcontrol.apiserver.k8s.io/v1': { spec: { priorityLevelConfiguration: { name: 'global-default' } } },
  'PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io/v1': {
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing: {} } } },
  },
}

/** Of the minimal object, or of what was created. */
export type Change = (object: any) => void

export const set =
  (fields: Record<string, unknown>): Change =>
  (object) =>
    void Object.assign(object, fields)

export const spec =
  (fields: Record<string, unknown>): Change =>
  (object) =>
    void Object.assign((object.spec ??= {}), fields)

/** One rule of a kind: what breaks it, and what is said then. */
export type RuleRow = [kind: Kind<any>, what: string, change: Change, expected: string[]]

export const testContext: HookContext = {
  now: Date.parse('2026-01-01T00:10:00Z'),
  uuid: () => '7c9e6679-7425-40de-944b-e07fc1f90ae7',
  user: { username: 'tester', groups: ['system:authenticated'] },
}

/** As a client sends it. */
export function minimalObject<T extends KubeObject>(kind: Kind<T>): T {
  const body = BODIES[`${kind.kind}.${kind.group}/${kind.version}`]
  if (!body) throw new Error(`no minimal object of ${kind.kind} in ${kind.group}/${kind.version}`)
  const metadata = body['metadata'] ?? { name: 'x' }
  const object = structuredClone({
    ...body,
    metadata: kind.scope === 'Namespaced' ? { namespace: 'default', ...metadata } : { ...metadata },
  })
  return object as unknown as T
}

/** As the server has it once it was created: defaulted and prepared, with a uid. */
export function createdObject<T extends KubeObject>(kind: Kind<T>, change: Change = () => {}): T {
  const object = minimalObject(kind)
  change(object)
  if (!kind.virtual) object.metadata = { ...object.metadata, uid: testContext.uuid() }
  kind.default?.(object)
  kind.prepareForCreate?.(object, testContext)
  return object
}

export const errorTexts = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

/** The errors of creating the minimal object with a change. */
export function createErrors<T extends KubeObject>(kind: Kind<T>, change?: Change): string[] {
  return errorTexts(kind.validate?.(createdObject(kind, change), undefined, testContext) ?? [])
}

/** The errors of changing what was created; `before` changes what is created first. */
export function updateErrors<T extends KubeObject>(
  kind: Kind<T>,
  change: Change,
  { before, subresource }: { before?: Change; subresource?: string } = {},
): string[] {
  const previous = createdObject(kind, before)
  const next = structuredClone(previous)
  change(next)
  const context = subresource ? { ...testContext, subresource } : testContext
  kind.default?.(next)
  kind.prepareForUpdate?.(next, previous, context)
  return errorTexts(kind.validate?.(next, previous, context) ?? [])
}
