import { defineKind } from '#api/define-kind.ts'
import { forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { portName, portNumber } from '#api/names.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { cidrContains, cidrMessages, cidrWarnings, familyOf } from '#api/validation/ip.ts'
import { formatSelector, validateLabelSelector } from '#api/validation/label-selector.ts'

export type NetworkPolicy = types.NetworkPolicy

export const NetworkPolicy = defineKind<NetworkPolicy>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  shortNames: ['netpol'],
  scope: 'Namespaced',
  generationOf: ({ spec }) => spec,
  default({ spec }) {
    if (!spec) return
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of rule.ports ?? []) port.protocol ??= 'TCP'
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress']
  },
  validate({ spec = {} }, previous) {
    const errors: Errors = validateLabelSelector(spec.podSelector, 'spec.podSelector')
    // What an earlier version took stays, wherever it now stands.
    const known = new Set(peersOf(previous?.spec).flatMap(({ ipBlock }) => [ipBlock?.cidr ?? '', ...(ipBlock?.except ?? [])]))
    each(spec.ingress, 'spec.ingress', ({ ports, from }, at) => {
      each(ports, `${at}.ports`, (port, where) => checkPort(port, where, errors))
      each(from, `${at}.from`, (peer, where) => checkPeer(peer, where, { known, errors }))
    })
    each(spec.egress, 'spec.egress', ({ ports, to }, at) => {
      each(ports, `${at}.ports`, (port, where) => checkPort(port, where, errors))
      each(to, `${at}.to`, (peer, where) => checkPeer(peer, where, { known, errors }))
    })
    const { policyTypes = [] } = spec
    if (policyTypes.length > 2) errors.push(invalid('spec.policyTypes', policyTypes, 'may not specify more than two policyTypes'))
    else
      each(policyTypes, 'spec.policyTypes', (type, at) => {
        if (type !== 'Ingress' && type !== 'Egress') errors.push(notSupported(at, type, ['Ingress', 'Egress']))
      })
    return errors
  },
  warnings: ({ spec }) => [
    ...(spec?.ingress ?? []).flatMap(({ from }, index) => peerWarnings(from, `spec.ingress[${index}].from`)),
    ...(spec?.egress ?? []).flatMap(({ to }, index) => peerWarnings(to, `spec.egress[${index}].to`)),
  ],
  columns: columnsOf<NetworkPolicy>({
    name: 'Pod-Selector',
    description: 'Which pods it is about.',
    value: ({ spec }) => formatSelector(spec?.podSelector),
  }),
})

const PROTOCOLS = ['TCP', 'UDP', 'SCTP']

function peersOf(spec: types.NetworkPolicySpec | undefined): types.NetworkPolicyPeer[] {
  return [...(spec?.ingress ?? []).flatMap(({ from }) => from ?? []), ...(spec?.egress ?? []).flatMap(({ to }) => to ?? [])]
}

function checkPort({ protocol, port, endPort }: types.NetworkPolicyPort, path: string, errors: Errors): void {
  if (protocol !== undefined && !PROTOCOLS.includes(protocol)) errors.push(notSupported(`${path}.protocol`, protocol, PROTOCOLS))
  const at = `${path}.endPort`
  if (typeof port === 'number') {
    checkMessages(`${path}.port`, port, portNumber(port), errors)
    if (endPort === undefined) return
    if (endPort < port) errors.push(invalid(at, endPort, 'must be greater than or equal to `port`'))
    checkMessages(at, endPort, portNumber(endPort), errors)
    return
  }
  if (endPort !== undefined)
    errors.push(invalid(at, endPort, `may not be specified when \`port\` is ${port === undefined ? 'not specified' : 'non-numeric'}`))
  if (port !== undefined) checkMessages(`${path}.port`, port, portName(port), errors)
}

interface Checked {
  known: ReadonlySet<string>
  errors: Errors
}

function checkPeer({ podSelector, namespaceSelector, ipBlock }: types.NetworkPolicyPeer, path: string, checked: Checked): void {
  const { errors } = checked
  errors.push(
    ...validateLabelSelector(podSelector, `${path}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`),
  )
  if (ipBlock) checkBlock(ipBlock, `${path}.ipBlock`, checked)
  if (!podSelector && !namespaceSelector && !ipBlock) errors.push(required(path, 'must specify a peer'))
  else if (ipBlock && (podSelector || namespaceSelector)) errors.push(forbidden(path, 'may not specify both ipBlock and another peer'))
}

function checkBlock({ cidr, except }: types.IPBlock, path: string, { known, errors }: Checked): void {
  const check = (at: string, range: string) => {
    const messages = cidrMessages(range)
    if (!known.has(range)) checkMessages(at, range, messages, errors)
    return familyOf(range) !== undefined && !messages.some((message) => message.startsWith('must be a valid CIDR'))
  }
  if (!cidr) return void errors.push(required(`${path}.cidr`))
  if (!check(`${path}.cidr`, cidr)) return
  each(except, `${path}.except`, (range, at) => {
    if (!check(at, range)) return
    const [length, outer] = [Number(range.split('/')[1]), Number(cidr.split('/')[1])]
    if (!cidrContains(cidr, range.split('/')[0]!) || length <= outer) errors.push(invalid(at, range, 'must be a strict subset of `cidr`'))
  })
}

function peerWarnings(peers: readonly types.NetworkPolicyPeer[] | undefined, path: string): string[] {
  return (peers ?? []).flatMap(({ ipBlock }, index) => {
    if (!ipBlock) return []
    const at = `${path}[${index}].ipBlock`
    const except = (ipBlock.except ?? []).flatMap((cidr, place) => cidrWarnings(`${at}.except[${place}]`, cidr))
    return [...cidrWarnings(`${at}.cidr`, ipBlock.cidr), ...except]
  })
}
