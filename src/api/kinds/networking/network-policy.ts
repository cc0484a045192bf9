import { defineKind } from '#api/define-kind.ts'
import { forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { portName, portNumber } from '#api/names.ts'
import { checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { cidrContains, cidrMessages } from '#api/validation/ip.ts'
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
  validate({ spec = {} }) {
    const errors: Errors = validateLabelSelector(spec.podSelector, 'spec.podSelector')
    each(spec.ingress, 'spec.ingress', ({ ports, from }, at) => {
      each(ports, `${at}.ports`, (port, where) => checkPort(port, where, errors))
      each(from, `${at}.from`, (peer, where) => checkPeer(peer, where, errors))
    })
    each(spec.egress, 'spec.egress', ({ ports, to }, at) => {
      each(ports, `${at}.ports`, (port, where) => checkPort(port, where, errors))
      each(to, `${at}.to`, (peer, where) => checkPeer(peer, where, errors))
    })
    const { policyTypes = [] } = spec
    if (policyTypes.length > 2) errors.push(invalid('spec.policyTypes', policyTypes, 'may not specify more than two policyTypes'))
    else
      each(policyTypes, 'spec.policyTypes', (type, at) => {
        if (type !== 'Ingress' && type !== 'Egress') errors.push(notSupported(at, type, ['Egress', 'Ingress']))
      })
    return errors
  },
  columns: columnsOf<NetworkPolicy>({
    name: 'Pod-Selector',
    description: 'Which pods it is about.',
    value: ({ spec }) => formatSelector(spec?.podSelector),
  }),
})

function checkPort({ protocol, port, endPort }: types.NetworkPolicyPort, path: string, errors: Errors): void {
  if (protocol !== undefined) checkOneOf(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'], errors)
  if (port === undefined) {
    if (endPort !== undefined) errors.push(required(`${path}.port`, 'must be specified if `endPort` is specified'))
    return
  }
  if (typeof port === 'string') {
    if (endPort !== undefined) errors.push(invalid(`${path}.endPort`, endPort, 'may not be specified when `port` is non-numeric'))
    checkMessages(`${path}.port`, port, portName(port), errors)
    return
  }
  checkMessages(`${path}.port`, port, portNumber(port), errors)
  if (endPort === undefined) return
  if (endPort < port) errors.push(invalid(`${path}.endPort`, endPort, 'must be greater than or equal to `port`'))
  checkMessages(`${path}.endPort`, endPort, portNumber(endPort), errors)
}

function checkPeer({ podSelector, namespaceSelector, ipBlock }: types.NetworkPolicyPeer, path: string, errors: Errors): void {
  errors.push(
    ...validateLabelSelector(podSelector, `${path}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`),
  )
  if (!podSelector && !namespaceSelector && !ipBlock) errors.push(required(path, 'must specify a peer'))
  if (!ipBlock) return
  if (podSelector || namespaceSelector) errors.push(forbidden(path, 'may not specify both ipBlock and another peer'))
  if (!ipBlock.cidr) return void errors.push(required(`${path}.ipBlock.cidr`))
  const messages = cidrMessages(ipBlock.cidr)
  checkMessages(`${path}.ipBlock.cidr`, ipBlock.cidr, messages, errors)
  each(ipBlock.except, `${path}.ipBlock.except`, (except, at) => {
    const wrong = cidrMessages(except)
    checkMessages(at, except, wrong, errors)
    if (wrong.length > 0 || messages.length > 0) return
    const [length, outer] = [Number(except.split('/')[1]), Number(ipBlock.cidr.split('/')[1])]
    if (!cidrContains(ipBlock.cidr, except.split('/')[0]!) || length <= outer)
      errors.push(invalid(at, except, `must be a strict subset of \`cidr\``))
  })
}
