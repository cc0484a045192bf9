import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { duplicate, type FieldError, forbidden, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { labelValueMessages, qualifiedName } from '#api/names.ts'
import { checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { cidrMessages, familyOf } from '#api/validation/ip.ts'
import { checkResourceAmount } from '#api/validation/resources.ts'
import { sameJson } from '#api/validation/same-json.ts'

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
  warnings: ({ spec }) => {
    const warnings: string[] = []
    if (spec?.externalID) warnings.push('spec.externalID: this field is deprecated, and is unused by Kubernetes')
    if (spec?.configSource) warnings.push('spec.configSource: the feature is no longer supported')
    return warnings
  },
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
  if (subresource !== 'status') checkSpec(spec, errors)
  for (const list of ['capacity', 'allocatable'] as const)
    for (const [name, amount] of Object.entries(status[list] ?? {})) checkResourceAmount(`status.${list}[${name}]`, name, amount, errors)
  const addresses = new Set<string>()
  each(status.addresses, 'status.addresses', (address, at) => {
    const key = JSON.stringify([address.type, address.address])
    if (addresses.has(key)) errors.push(duplicate(at, address))
    addresses.add(key)
  })
  if (!previous || subresource === 'status') return errors
  const old = previous.spec ?? {}
  if (old.podCIDRs?.length && !sameJson(spec.podCIDRs, old.podCIDRs))
    errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  if (old.providerID && spec.providerID !== old.providerID)
    errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
  return errors
}

function checkSpec(spec: types.NodeSpec, errors: Errors): void {
  const seen = new Set<string>()
  each(spec.taints, 'spec.taints', (taint, at) => {
    const { key = '', value = '', effect } = taint
    checkMessages(`${at}.key`, key, qualifiedName(key), errors)
    checkMessages(`${at}.value`, value, labelValueMessages(value), errors)
    checkOneOf(`${at}.effect`, effect, ['NoExecute', 'NoSchedule', 'PreferNoSchedule'], errors, { required: true })
    const pair = `${key}:${effect}`
    if (seen.has(pair))
      errors.push({ ...duplicate(at, taint), message: `${duplicate(at, taint).message}: taints must be unique by key and effect pair` })
    seen.add(pair)
  })
  each(spec.podCIDRs, 'spec.podCIDRs', (cidr, at) => checkMessages(at, cidr, cidrMessages(cidr), errors))
  if ((spec.podCIDRs?.length ?? 0) > 2 || (spec.podCIDRs?.length === 2 && familyOf(spec.podCIDRs[0]!) === familyOf(spec.podCIDRs[1]!)))
    errors.push(invalid('spec.podCIDRs', spec.podCIDRs, 'may specify no more than one CIDR for each IP family'))
}

function statusText({ status, spec }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
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
