// For tests of policies: a server that asks them, and manifests in short.
import { alwaysAllow } from '#server/access/authorizers.ts'
import { type Requests, startRequests } from '#server/engine/requests.ts'
import type { AdmissionPlugin, Authorizer } from '#server/request.ts'
import { mutatingAdmissionPolicy } from './mutating.ts'
import { PolicyMetrics } from './policy-metrics.ts'
import { validatingAdmissionPolicy } from './validating.ts'

const GROUP = '/apis/admissionregistration.k8s.io/v1'
const PLURALS: Readonly<Record<string, string>> = {
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
  MutatingAdmissionPolicy: 'mutatingadmissionpolicies',
  MutatingAdmissionPolicyBinding: 'mutatingadmissionpolicybindings',
}

export interface PolicyServer extends Requests {
  metrics: PolicyMetrics
  annotations: Map<string, string>
  /** Creates a policy or binding; what it answers must be a success unless `status` says otherwise. */
  make(kind: string, name: string, spec: object): Promise<any>
}

export interface PolicyServerOptions {
  authorizer?: Authorizer
  /** Asked between the two. */
  plugins?: readonly AdmissionPlugin[]
}

export async function startPolicies({ authorizer = alwaysAllow, plugins = [] }: PolicyServerOptions = {}): Promise<PolicyServer> {
  const metrics = new PolicyMetrics('validating')
  const annotations = new Map<string, string>()
  const recorded = (plugin: AdmissionPlugin): AdmissionPlugin => ({
    ...plugin,
    validate: (request) => plugin.validate?.({ ...request, annotate: (key, value) => void annotations.set(key, String(value)) }),
  })
  const server = await startRequests({
    extensions: (context) => ({
      admission: [
        mutatingAdmissionPolicy(context, authorizer, new PolicyMetrics('mutating')),
        ...plugins,
        recorded(validatingAdmissionPolicy(context, authorizer, metrics)),
      ],
    }),
  })
  const make = async (kind: string, name: string, spec: object) => {
    const object = { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name }, spec }
    const { status, json } = await server.send('POST', `${GROUP}/${PLURALS[kind]}`, object)
    if (status !== 201) throw Object.assign(new Error(json.message), { status: json })
    return json
  }
  return Object.assign(server, { metrics, annotations, make })
}

export const rules = (resource: string, more: object = {}) => ({
  resourceRules: [
    {
      operations: ['CREATE', 'UPDATE'],
      apiGroups: [resource.includes('/') ? resource.slice(0, resource.indexOf('/')) : ''],
      apiVersions: ['v1'],
      resources: [resource.slice(resource.indexOf('/') + 1)],
      ...more,
    },
  ],
})
