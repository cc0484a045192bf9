// Requests made to keep a server busy, in the order they are sent: later ones work on what earlier ones left.
import { encodeObject, messageOfSchema } from '#api/codec/protobuf.ts'
import type { KubeObject } from '#api/object.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'

export interface HostileRequest {
  name: string
  path: string
  type: string
  body: string | Buffer
  method?: 'GET' | 'PUT' | 'DELETE'
  /** Only what the next one needs: sent, and not measured. */
  prepares?: true
}

const MIB = 1024 * 1024
const [JSON_TYPE, YAML_TYPE] = ['application/json', 'application/yaml']
const MAPS = '/api/v1/namespaces/default/configmaps'
const PODS = '/api/v1/namespaces/default/pods'
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const WIDES = '/apis/bench.example/v1/namespaces/default/wides'
const POLICIES = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies'
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings'

const lines = (count: number, line: (i: number) => string) => Array.from({ length: count }, (_, i) => line(i)).join('')
const upTo = (bytes: number, line: (i: number) => string) => lines(Math.floor(bytes / line(100_000).length), line)
const members = (bytes: number, value = 'value') => `{${upTo(bytes, (i) => `"key${i}":"${value}",`)}"z":"${value}"}`
const yaml = (bytes: number, from = 0) => `apiVersion: v1\nkind: ConfigMap\ndata:\n${upTo(bytes, (i) => `  key${i + from}: value\n`)}`
const items = (bytes: number, item: (i: number) => string) => `[${upTo(bytes, (i) => `${item(i)},`)}${item(0)}]`
const podOf = (containers: string, metadata = '{"name":"a"}') => `{"metadata":${metadata},"spec":{"containers":${containers}}}`
const podWith = (name: string, more: object) =>
  JSON.stringify({ metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }], ...more } })
const map = (name: string, data: string, more = '') => `{"metadata":{"name":"${name}"},"data":${data}${more}}`
const protobuf = (kind: typeof ConfigMap | typeof Pod, text: string) =>
  encodeObject({ apiVersion: 'v1', kind: kind.kind, ...JSON.parse(text) } as KubeObject, messageOfSchema(kind.schema)!)

function definition(plural: string, kind: string, spec: object): string {
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } }
  return JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.bench.example` },
    spec: {
      group: 'bench.example',
      scope: 'Namespaced',
      names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  })
}

function schemaOf(bytes: number): object {
  const properties: Record<string, unknown> = {}
  for (let i = 0, size = 0; size < bytes; i++) {
    const field = {
      type: 'object',
      description: `The field ${i}. ${'x'.repeat(60)}`,
      properties: { value: { type: 'string', maxLength: 10 } },
    }
    properties[`field${i}`] = field
    size += JSON.stringify(field).length + 14
  }
  return { type: 'object', properties }
}

const WIDE = {
  type: 'object',
  properties: {
    data: { type: 'object', additionalProperties: { type: 'string', pattern: '^(a+)*v?alue$', maxLength: 64 } },
    names: {
      type: 'array',
      items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, count: { type: 'integer', default: 1 } } },
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    },
    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
}
const wide = (name: string, spec: string) => `{"apiVersion":"bench.example/v1","kind":"Wide","metadata":{"name":"${name}"},"spec":${spec}}`

function policy(count: number): string {
  const spec = {
    matchConstraints: {
      resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['serviceaccounts'] }],
    },
    validations: Array.from({ length: count }, (_, i) => ({ expression: `object.metadata.name != "n${i}"` })),
  }
  return JSON.stringify({ metadata: { name: 'many' }, spec })
}

export const HOSTILE: readonly HostileRequest[] = [
  { name: '10 MB of malformed YAML', path: MAPS, type: YAML_TYPE, body: upTo(10e6, (i) => `key${i}: [unclosed, {a: b\n`) },
  { name: '3 MB of malformed YAML', path: MAPS, type: YAML_TYPE, body: `${upTo(3e6, (i) => `key${i}: value\n`)}]` },
  { name: '3 MB of nested flow YAML', path: MAPS, type: YAML_TYPE, body: '['.repeat(3e6) },
  { name: '3 MB of YAML of unknown fields', path: MAPS, type: YAML_TYPE, body: upTo(3e6, (i) => `key${i}: value\n`) },
  { name: '3 MB of JSON of unknown fields', path: MAPS, type: JSON_TYPE, body: members(3e6) },
  { name: '3 MB of JSON of one field, again and again', path: MAPS, type: JSON_TYPE, body: `{${upTo(3e6, () => '"data":{},')}"data":{}}` },
  { name: '3 MB of nested JSON', path: MAPS, type: JSON_TYPE, body: '{"a":'.repeat(6e5) },
  {
    name: '3 MB of protobuf',
    path: MAPS,
    type: 'application/vnd.kubernetes.protobuf',
    body: protobuf(ConfigMap, map('p', members(2.3e6))),
  },
  { name: '', path: MAPS, type: JSON_TYPE, body: map('patched', '{}'), prepares: true },
  { name: 'a merge patch of 3 MB', path: `${MAPS}/patched`, type: 'application/merge-patch+json', body: `{"data":${members(3e6)}}` },
  { name: 'a merge patch of 900 KB', path: `${MAPS}/patched`, type: 'application/merge-patch+json', body: `{"data":${members(0.9e6)}}` },
  { name: 'the same merge patch', path: `${MAPS}/patched`, type: 'application/merge-patch+json', body: `{"data":${members(0.9e6)}}` },
  {
    name: 'a strategic merge patch of 900 KB',
    path: `${MAPS}/patched`,
    type: 'application/strategic-merge-patch+json',
    body: `{"data":${members(0.9e6, 'other')}}`,
  },
  {
    name: 'a JSON patch of 10,000 operations',
    path: `${MAPS}/patched`,
    type: 'application/json-patch+json',
    body: `[${lines(9_999, (i) => `{"op":"add","path":"/data/key${i}","value":"${'x'.repeat(40)}"},`)}{"op":"remove","path":"/data/key1"}]`,
  },
  { name: 'a small patch of that object', path: `${MAPS}/patched`, type: 'application/merge-patch+json', body: '{"data":{"z":"2"}}' },
  { name: 'a PUT of 900 KB', path: `${MAPS}/patched`, type: JSON_TYPE, body: map('patched', members(0.9e6)), method: 'PUT' },
  { name: 'a PUT of 3 MB', path: `${MAPS}/patched`, type: JSON_TYPE, body: map('patched', members(2.9e6)), method: 'PUT' },
  { name: 'its deletion', path: `${MAPS}/patched`, type: JSON_TYPE, body: '', method: 'DELETE' },
  { name: 'an apply of 3 MB', path: `${MAPS}/applied?fieldManager=a`, type: 'application/apply-patch+yaml', body: yaml(2.9e6) },
  { name: 'an apply of 900 KB', path: `${MAPS}/applied?fieldManager=a`, type: 'application/apply-patch+yaml', body: yaml(0.9e6) },
  {
    name: 'an apply of 900 KB, other fields',
    path: `${MAPS}/applied?fieldManager=a`,
    type: 'application/apply-patch+yaml',
    body: yaml(0.9e6, 20_000),
  },
  {
    name: 'a conflicting apply of 900 KB',
    path: `${MAPS}/applied?fieldManager=b`,
    type: 'application/apply-patch+yaml',
    body: yaml(0.9e6, 20_000).replaceAll('value', 'other'),
  },
  {
    name: 'a pod of 2.9 MB of small containers',
    path: PODS,
    type: JSON_TYPE,
    body: podOf(items(2.9e6, (i) => `{"name":"c${i}","image":"a"}`)),
  },
  {
    name: 'a pod of 500 KB of small containers',
    path: PODS,
    type: JSON_TYPE,
    body: podOf(items(0.5e6, (i) => `{"name":"c${i}","image":"a"}`)),
  },
  { name: 'a pod of 2.9 MB of wrong containers', path: PODS, type: JSON_TYPE, body: podOf(items(2.9e6, () => '{"name":"A"}')) },
  { name: 'a pod of 500 KB of wrong containers', path: PODS, type: JSON_TYPE, body: podOf(items(0.5e6, () => '{"name":"A"}')) },
  {
    name: 'a pod of 2.9 MB of labels',
    path: PODS,
    type: JSON_TYPE,
    body: podOf('[{"name":"c","image":"a"}]', `{"name":"l","labels":${members(2.9e6)}}`),
  },
  {
    name: 'a pod of 2,000 terms of affinity',
    path: PODS,
    type: JSON_TYPE,
    body: podWith('far', {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: Array.from({ length: 2000 }, (_, i) => ({
            topologyKey: `k${i}`,
            labelSelector: { matchExpressions: [{ key: 'a', operator: 'NotIn', values: [`b${i}`] }] },
          })),
        },
      },
    }),
  },
  {
    name: 'a pod of 2,000 rules of spreading',
    path: PODS,
    type: JSON_TYPE,
    body: podWith('spread', {
      topologySpreadConstraints: Array.from({ length: 2000 }, (_, i) => ({
        topologyKey: `k${i}`,
        maxSkew: 1,
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: {},
      })),
    }),
  },
  {
    name: 'a pod of 30,000 variables',
    path: PODS,
    type: JSON_TYPE,
    body: podOf(
      JSON.stringify([
        { name: 'c', image: 'i', env: Array.from({ length: 30_000 }, (_, i) => ({ name: `A${i}`, value: `$(A${i - 1})$(A${i - 1})` })) },
      ]),
    ),
  },
  {
    name: 'a strategic merge patch that removes 200,000 finalizers',
    path: '/api/v1/namespaces/default',
    type: 'application/strategic-merge-patch+json',
    body: JSON.stringify({ metadata: { '$deleteFromPrimitiveList/finalizers': Array.from({ length: 200_000 }, (_, i) => `a/b${i}`) } }),
  },
  {
    name: 'a JSON patch that inserts 9,000 finalizers before 100,000',
    path: '/api/v1/namespaces/default',
    type: 'application/json-patch+json',
    body: JSON.stringify([
      { op: 'add', path: '/metadata/finalizers', value: Array.from({ length: 100_000 }, () => 'a/b') },
      ...Array.from({ length: 9000 }, () => ({ op: 'add', path: '/metadata/finalizers/0', value: 'a/b' })),
    ]),
  },
  {
    name: 'a deployment with a selector of 3 MB',
    path: DEPLOYMENTS,
    type: JSON_TYPE,
    body: `{"metadata":{"name":"d"},"spec":{"selector":{"matchExpressions":[{"key":"a","operator":"In","values":${items(2.9e6, (i) => `"v${i}"`)}}]},"template":{"metadata":{"labels":{"a":"v1"}},"spec":{"containers":[{"name":"c","image":"a"}]}}}}`,
  },
  {
    name: '1,000 maps gone with a selector of 15 KB',
    path: `${MAPS}?labelSelector=a%20in%20(${lines(1500, (i) => `v${i},`)}z)`,
    type: JSON_TYPE,
    body: '',
    method: 'DELETE',
  },
  { name: 'a definition of 2.9 MiB', path: DEFINITIONS, type: JSON_TYPE, body: definition('larges', 'Large', schemaOf(2.9 * MIB)) },
  { name: '', path: DEFINITIONS, type: JSON_TYPE, body: definition('wides', 'Wide', WIDE), prepares: true },
  { name: 'a custom resource of 2.9 MB of members', path: WIDES, type: JSON_TYPE, body: wide('a', `{"data":${members(2.9e6)}}`) },
  {
    name: 'a custom resource of 2.9 MB of wrong members',
    path: WIDES,
    type: JSON_TYPE,
    body: wide('w', `{"data":${members(2.9e6, 'wrong')}}`),
  },
  {
    name: 'a custom resource of 2.9 MB of items',
    path: WIDES,
    type: JSON_TYPE,
    body: wide('b', `{"names":${items(2.9e6, (i) => `{"name":"n${i}"}`)}}`),
  },
  { name: 'a custom resource of 2.9 MB of unknown fields', path: WIDES, type: JSON_TYPE, body: wide('c', members(2.9e6)) },
  {
    name: 'an apply of a custom resource of 900 KB',
    path: `${WIDES}/d?fieldManager=a`,
    type: 'application/apply-patch+yaml',
    body: wide('d', `{"data":${members(0.9e6)}}`),
  },
  {
    name: 'the same apply',
    path: `${WIDES}/d?fieldManager=a`,
    type: 'application/apply-patch+yaml',
    body: wide('d', `{"data":${members(0.9e6)}}`),
  },
  { name: 'a merge patch of it', path: `${WIDES}/d`, type: 'application/merge-patch+json', body: `{"spec":{"free":${members(0.5e6)}}}` },
  { name: 'a policy of 40,000 expressions', path: POLICIES, type: JSON_TYPE, body: policy(40_000) },
  {
    name: 'its binding',
    path: BINDINGS,
    type: JSON_TYPE,
    body: JSON.stringify({ metadata: { name: 'many' }, spec: { policyName: 'many', validationActions: ['Deny'] } }),
  },
  {
    name: 'the first request it is asked about',
    path: '/api/v1/namespaces/default/serviceaccounts',
    type: JSON_TYPE,
    body: '{"metadata":{"name":"first"}}',
  },
]
