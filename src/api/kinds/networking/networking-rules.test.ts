// One row a rule of ingresses, their classes and network policies, in upstream's words and order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Change, createErrors, type RuleRow, spec, updateErrors } from '#api/kinds/minimal-objects.ts'
import { Ingress } from './ingress.ts'
import { IngressClass } from './ingress-class.ts'
import { NetworkPolicy } from './network-policy.ts'

const backend = { service: { name: 's', port: { number: 80 } } }
const path = (fields: Record<string, unknown>): Change =>
  spec({ rules: [{ http: { paths: [{ pathType: 'Exact', path: '/', backend, ...fields }] } }] })
const AT = 'spec.rules[0].http.paths[0]'
const port = (fields: Record<string, unknown>): Change => spec({ ingress: [{ ports: [fields] }] })
const block = (fields: Record<string, unknown>): Change => spec({ egress: [{ to: [{ ipBlock: fields }] }] })
const parameters = (fields: Record<string, unknown>): Change => spec({ parameters: { kind: 'K', name: 'n', ...fields } })

const rows: RuleRow[] = [
  [Ingress, 'nowhere to go', (i) => (i.spec = {}), ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified']],
  [
    Ingress,
    'a backend of nothing',
    spec({ defaultBackend: {} }),
    ['spec.defaultBackend: Invalid value: "": resource or service backend is required'],
  ],
  [
    Ingress,
    'a resource without a name',
    spec({ defaultBackend: { resource: { apiGroup: 'a.b', kind: 'a/b' } } }),
    ['spec.defaultBackend.resource.kind: Invalid value: "a/b": may not contain \'/\'', 'spec.defaultBackend.resource.name: Required value'],
  ],
  [
    Ingress,
    'a service at two ports',
    spec({ defaultBackend: { service: { name: 'a.b', port: { name: 'x', number: 1 } } } }),
    [
      'spec.defaultBackend.service.name: Invalid value: "a.b": must not contain dots',
      'spec.defaultBackend: Invalid value: "": cannot set both port name & port number',
    ],
  ],
  [
    Ingress,
    'a host that is an address',
    spec({ rules: [{ host: '1.2.3.4' }] }),
    ['spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address'],
  ],
  [
    Ingress,
    'no kind of path, whatever else',
    path({ pathType: undefined, backend: {} }),
    [`${AT}.pathType: Required value: pathType must be specified`],
  ],
  [
    Ingress,
    'an unknown kind of path',
    path({ pathType: 'Odd', backend: {} }),
    [
      `${AT}.pathType: Unsupported value: "Odd": supported values: "Exact", "ImplementationSpecific", "Prefix"`,
      `${AT}.backend: Invalid value: "": resource or service backend is required`,
    ],
  ],
  [
    Ingress,
    'a path with steps back',
    path({ path: 'a/../b/..' }),
    [
      `${AT}.path: Invalid value: "a/../b/..": must be an absolute path`,
      `${AT}.path: Invalid value: "a/../b/..": must not contain '/../'`,
      `${AT}.path: Invalid value: "a/../b/..": cannot end with '/..'`,
    ],
  ],
  [Ingress, 'any path a controller knows', path({ pathType: 'ImplementationSpecific', path: '' }), []],
  [
    IngressClass,
    'a controller without a domain',
    spec({ controller: 'a' }),
    ['spec.controller: Invalid value: "a": must be a domain-prefixed path (such as "acme.io/foo")'],
  ],
  [IngressClass, 'no controller', spec({ controller: '' }), ['spec.controller: Required value']],
  [
    IngressClass,
    'a controller of which no part is in form',
    spec({ controller: 'A/b c' }),
    [
      `spec.controller: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      `spec.controller: Invalid value: "b c": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')`,
    ],
  ],
  [
    IngressClass,
    'parameters of a namespace, unnamed',
    parameters({ scope: 'Namespace', kind: '' }),
    ['spec.parameters.kind: Required value', "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
  ],
  [
    IngressClass,
    'parameters of the cluster in a namespace',
    parameters({ scope: 'Cluster', namespace: 'a' }),
    ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
  ],
  [
    IngressClass,
    'parameters of somewhere',
    parameters({ scope: 'World' }),
    ['spec.parameters.scope: Unsupported value: "World": supported values: "Cluster", "Namespace"'],
  ],
  [
    NetworkPolicy,
    'an unknown protocol',
    port({ protocol: 'ICMP' }),
    ['spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'],
  ],
  [
    NetworkPolicy,
    'an end without a port',
    port({ endPort: 5 }),
    ['spec.ingress[0].ports[0].endPort: Invalid value: 5: may not be specified when `port` is not specified'],
  ],
  [
    NetworkPolicy,
    'an end of a name',
    port({ port: 'http', endPort: 5 }),
    ['spec.ingress[0].ports[0].endPort: Invalid value: 5: may not be specified when `port` is non-numeric'],
  ],
  [
    NetworkPolicy,
    'an end before the start',
    port({ port: 80, endPort: 5 }),
    ['spec.ingress[0].ports[0].endPort: Invalid value: 5: must be greater than or equal to `port`'],
  ],
  [
    NetworkPolicy,
    'a peer of two sorts',
    spec({ egress: [{ to: [{ podSelector: {}, ipBlock: {} }, {}] }] }),
    [
      'spec.egress[0].to[0].ipBlock.cidr: Required value',
      'spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer',
      'spec.egress[0].to[1]: Required value: must specify a peer',
    ],
  ],
  [
    NetworkPolicy,
    'exceptions outside the block',
    block({ cidr: '10.0.0.1/8', except: ['10.0.0.0/8', 'x', '11.0.0.0/9'] }),
    [
      'spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length',
      'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
      'spec.egress[0].to[0].ipBlock.except[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      'spec.egress[0].to[0].ipBlock.except[2]: Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`',
    ],
  ],
  [
    NetworkPolicy,
    'an unknown type',
    spec({ policyTypes: ['Other'] }),
    ['spec.policyTypes[0]: Unsupported value: "Other": supported values: "Ingress", "Egress"'],
  ],
]

for (const [kind, what, change, expected] of rows)
  test(`${kind.kind} ${expected.length > 0 ? 'refuses' : 'takes'} ${what}`, () => assert.deepEqual(createErrors(kind, change), expected))

const updates: [...RuleRow, options?: { before?: Change; subresource?: string }][] = [
  [
    NetworkPolicy,
    'a block beside an old one out of form',
    (p) => (p.metadata.labels = { a: 'b' }),
    [],
    { before: block({ cidr: '10.0.0.1/8' }) },
  ],
  [
    Ingress,
    'labels beside an old name of a secret',
    (i) => (i.metadata.labels = { a: 'b' }),
    [],
    { before: spec({ tls: [{ secretName: 'A' }] }) },
  ],
  [
    Ingress,
    'where it is reached',
    (i) => (i.status = { loadBalancer: { ingress: [{ ip: 'x' }, { hostname: '1.2.3.4' }] } }),
    [
      'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
    ],
    { subresource: 'status' },
  ],
]

for (const [kind, what, change, expected, options] of updates)
  test(`${kind.kind} update of ${what} ${expected.length > 0 ? 'is refused' : 'is taken'}`, () =>
    assert.deepEqual(updateErrors(kind, change, options), expected))
