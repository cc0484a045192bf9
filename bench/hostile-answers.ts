// Strangers who answer more than is good for a server, and the requests that make it ask them. In order: later ones work on what earlier ones left.
import { type ReceivedCall, type Stranger, startStranger } from '#server/outgoing/testing.ts'
import type { HostileRequest } from './hostile-requests.ts'

const JSON_TYPE = 'application/json'
const MAPS = '/api/v1/namespaces/default/configmaps'
const HOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const WIDES = '/apis/bench.example/v1/namespaces/default/wides'
const TURNED = (version: string) => `/apis/bench.example/${version}/namespaces/default/turned`

const members = (bytes: number) => Object.fromEntries(Array.from({ length: Math.floor(bytes / 19) }, (_, i) => [`key${i}`, 'value']))

/** By path: `/patch/BYTES`, `/nonsense/BYTES`, `/convert`. */
export function startHostileStranger(): Promise<Stranger> {
  return startStranger(({ path, body }: ReceivedCall) => {
    const [, what, bytes] = /^\/(\w+)\/?(\d+)?/.exec(path)!
    const { request, apiVersion } = JSON.parse(body)
    if (what === 'convert') {
      const convertedObjects = request.objects.map((one: object) => ({ ...one, apiVersion: request.desiredAPIVersion }))
      return { kind: 'ConversionReview', apiVersion, response: { uid: request.uid, result: { status: 'Success' }, convertedObjects } }
    }
    const response = { uid: request.uid, allowed: true }
    if (what === 'nonsense') return { kind: 'AdmissionReview', apiVersion, response, more: members(Number(bytes)) }
    const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/data', value: members(Number(bytes)) }])).toString('base64')
    return { kind: 'AdmissionReview', apiVersion, response: { ...response, patchType: 'JSONPatch', patch } }
  })
}

export function hostileAnswers({ url, caBundle }: Stranger): HostileRequest[] {
  const hook = (name: string) => ({
    name: `${name.replace('/', '-')}.bench.example`,
    clientConfig: { url: `${url}/${name}`, caBundle },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
    objectSelector: { matchLabels: { hook: name.replace('/', '-') } },
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  })
  const hooks = ['patch/900000', 'patch/2900000', 'nonsense/3900000']
  const version = (name: string, storage: boolean) => ({
    name,
    served: true,
    storage,
    schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  })
  const turned = {
    metadata: { name: 'turned.bench.example' },
    spec: {
      group: 'bench.example',
      scope: 'Namespaced',
      names: { plural: 'turned', kind: 'Turned', listKind: 'TurnedList' },
      versions: [version('v1', true), version('v2', false)],
      conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: `${url}/convert`, caBundle } } },
    },
  }
  const hooked = (name: string) => JSON.stringify({ metadata: { name: name.replace('/', '-'), labels: { hook: name.replace('/', '-') } } })
  const json = (body: object) => JSON.stringify(body)
  const merge = 'application/merge-patch+json'
  const other = { apiVersion: 'bench.example/v1', kind: 'Turned', metadata: { name: 'a' }, data: members(0.9e6) }
  const get = { type: JSON_TYPE, body: '', method: 'GET' } as const
  return [
    { name: '', path: HOOKS, type: JSON_TYPE, body: json({ metadata: { name: 'large' }, webhooks: hooks.map(hook) }), prepares: true },
    ...hooks.map((name) => ({ name: `a webhook that answers ${name}`, path: MAPS, type: JSON_TYPE, body: hooked(name) })),
    { name: '', path: DEFINITIONS, type: JSON_TYPE, body: json(turned), prepares: true },
    { name: '', path: TURNED('v1'), type: JSON_TYPE, body: json(other), prepares: true },
    { name: 'a read of 900 KB that a webhook converts', path: `${TURNED('v2')}/a`, ...get },
    { name: 'a patch of 900 KB that a webhook converts', path: `${TURNED('v2')}/a`, type: merge, body: json({ data: { z: '1' } }) },
    {
      name: '',
      path: `${DEFINITIONS}/wides.bench.example`,
      type: merge,
      body: json({ spec: { names: { shortNames: ['wi'] } } }),
      prepares: true,
    },
    { name: 'a read of 900 KB of a definition that has changed', path: `${WIDES}/d`, ...get },
    { name: 'the same read', path: `${WIDES}/d`, ...get },
    { name: 'a list of them', path: WIDES, ...get },
    { name: 'a patch of it', path: `${WIDES}/d`, type: merge, body: json({ spec: { free: { z: '1' } } }) },
  ]
}
