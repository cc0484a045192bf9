import { conditionOf } from '#api/conditions.ts'
import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { duplicate, type FieldError, forbidden, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { labelValueMessages, maxLength, qualifiedName } from '#api/names.ts'
import { TAINT_EFFECTS } from '#api/validation/affinity.ts'
import { checkAmong, checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { cidrMessages, cidrWarnings, familyOf } from '#api/validation/ip.ts'
import { checkResourceAmount } from '#api/validation/resources.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { checkConfigSources } from './node-config-source.ts'

export type Node = types.Node

const ROLE = 'node-role.kubernetes.io/'

export const Node = defineKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  shortNames: ['no'],
  scope: 'Cluster',
  subresources: {
    proxy: { verbs: ['create', 'delete', 'get', 'patch', 'update'], kind: { group: '', version: 'v1', kind: 'NodeProxyOptions' } },
    status: { verbs: ['get', 'patch', 'update'] },
  },
  createdWithStatus: true,
  fields: { 'spec.unschedulable': ({ spec }) => String(spec?.unschedulable ?? false) },
  default({ spec, status }) {
    if (spec?.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR]
    else if (spec && !spec.podCIDR && spec.podCIDRs?.length) spec.podCIDR = spec.podCIDRs[0]!
    if (!status) return
    defaultResourceList(status.capacity)
    defaultResourceList(status.allocatable)
    if (!status.allocatable && status.capacity) status.allocatable = { ...status.capacity }
  },
  validate: validateNode,
  warnings: ({ spec }) => [
    ...(spec?.configSource ? ['spec.configSource: the feature is no longer supported'] : []),
    ...(spec?.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : []),
    ...(spec?.podCIDRs ?? []).flatMap((cidr, index) => cidrWarnings(`spec.podCIDRs[${index}]`, cidr)),
  ],
  columns: [
    nameColumn,
    { name: 'Status', description: 'Whether the node is ready and takes pods.', value: statusText },
    { name: 'Roles', description: 'What the node is for.', value: rolesText },
    ageColumn,
    { name: 'Version', description: 'Version of the kubelet.', value: ({ status }) => status?.nodeInfo?.kubeletVersion ?? '' },
    { name: 'Internal-IP', priority: 1, description: 'Address inside the cluster.', value: (node) => addressOf(node, 'InternalIP') },
    { name: 'External-IP', priority: 1, description: 'Address outside the cluster.', value: (node) => addressOf(node, 'ExternalIP') },
    { name: 'OS-Image', priority: 1, description: 'Operating system.', value: ({ status }) => status?.nodeInfo?.osImage || '<unknown>' },
    { name: 'Kernel-Version', priority: 1, description: 'Kernel, and the architecture of the machine.', value: kernelText },
    {
      name: 'Container-Runtime',
      priority: 1,
      description: 'Runtime and its version.',
      value: ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
    },
  ],
})

function validateNode(next: Node, previous: Node | undefined, { subresource }: { subresource?: string }): FieldError[] {
  const errors: Errors = []
  const { spec = {}, status = {} } = next
  if (subresource !== 'status') checkTaints(spec.taints, errors)
  // Upstream's path has no brackets here.
  for (const list of ['capacity', 'allocatable'] as const)
    for (const [name, amount] of Object.entries(status[list] ?? {})) checkResourceAmount(`status.${list}.${name}`, name, amount, errors)
  if (subresource !== 'status' && (status.nodeInfo?.swap?.capacity ?? 1) <= 0)
    errors.push(invalid('metadata.nodeSwapStatus.capacity', status.nodeInfo!.swap!.capacity, 'must be greater than zero'))
  checkFeatures(status.declaredFeatures, errors)
  if (subresource !== 'status') checkRanges(spec.podCIDRs, errors)
  if (previous) checkUpdate(next, previous.spec ?? {}, errors)
  return errors
}

function checkUpdate({ spec = {}, status }: Node, old: types.NodeSpec, errors: Errors): void {
  const addresses = new Set<string>()
  each(status?.addresses, 'status.addresses', ({ type = '', address = '' }, at) => {
    // As upstream's structure prints.
    const shown = { Type: type, Address: address }
    const key = JSON.stringify(shown)
    if (addresses.has(key)) errors.push(duplicate(at, shown))
    addresses.add(key)
  })
  if (old.podCIDRs?.length && !sameJson(spec.podCIDRs, old.podCIDRs))
    errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  if (old.providerID && spec.providerID !== old.providerID)
    errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
  checkConfigSources({ spec, ...(status ? { status } : {}) }, errors)
  if ((spec.externalID ?? '') !== (old.externalID ?? '')) errors.push(forbidden('spec.externalID', 'may not be updated'))
}

/** Upstream looks for taints below metadata. */
function checkTaints(taints: types.Taint[] | undefined, errors: Errors): void {
  const seen = new Set<string>()
  each(taints, 'metadata.taints', ({ key = '', value = '', effect = '', timeAdded = null }, at) => {
    checkMessages(`${at}.key`, key, qualifiedName(key), errors)
    const messages = labelValueMessages(value)
    if (messages.length > 0) errors.push(invalid(`${at}.value`, value, messages.join(';')))
    checkAmong(`${at}.effect`, effect, TAINT_EFFECTS, errors)
    const shown = { Key: key, Value: value, Effect: effect, TimeAdded: timeAdded }
    if (seen.has(`${key}:${effect}`)) errors.push(duplicate(at, shown, 'taints must be unique by key and effect pair'))
    seen.add(`${key}:${effect}`)
  })
}

function checkRanges(ranges: string[] | undefined, errors: Errors): void {
  const at = 'spec.podCIDRs'
  each(ranges, at, (range, where) => checkMessages(where, range, cidrMessages(range), errors))
  if (!ranges || ranges.length < 2) return
  const families = ranges.map((range) => familyOf(range))
  if (ranges.length > 2 || new Set(families).size < 2 || families.includes(undefined))
    errors.push(invalid(at, ranges, 'may specify no more than one CIDR for each IP family'))
}

function checkFeatures(features: string[] | undefined, errors: Errors): void {
  each(features, 'status.declaredFeatures', (feature, at, index) => {
    const message = featureMessage(feature)
    if (message) errors.push(invalid(at, feature, `invalid feature name "${feature}": ${message}`))
    const before = features![index - 1]
    if (before === feature) errors.push(duplicate(at, feature))
    else if (before !== undefined && before > feature) errors.push(invalid(at, feature, 'list must be sorted alphabetically'))
  })
}

function featureMessage(name: string): string | undefined {
  if (name.length > 253) return maxLength(253)
  if (/^[A-Z][a-zA-Z0-9]*(\/[a-zA-Z][a-zA-Z0-9]*)*$/.test(name)) return undefined
  return "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
}

function statusText({ status, spec }: Node): string {
  const ready = conditionOf(status?.conditions, 'Ready')
  const text = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown'
  return spec?.unschedulable ? `${text},SchedulingDisabled` : text
}

function rolesText({ metadata }: Node): string {
  const labels = Object.entries(metadata?.labels ?? {})
  const roles = labels.flatMap(([key, value]) =>
    key.startsWith(ROLE) && key.length > ROLE.length ? [key.slice(ROLE.length)] : key === 'kubernetes.io/role' && value ? [value] : [],
  )
  return [...new Set(roles)].toSorted().join(',') || '<none>'
}

const addressOf = ({ status }: Node, wanted: string) => status?.addresses?.find(({ type }) => type === wanted)?.address ?? '<none>'

function kernelText({ status }: Node): string {
  const { kernelVersion, architecture } = status?.nodeInfo ?? {}
  return `${kernelVersion || '<unknown>'}${architecture ? ` (${architecture})` : ''}`
}
