// Nobody reads through a policy what they may not read themselves: who names a kind of parameters, or the parameters, must have access to them.
import { forbidden } from '#api/field-error.ts'
import type { ParamKind, ParamRef } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { equal } from '#api/equal.ts'
import { MutatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/mutating-admission-policy-binding.ts'
import { MutatingAdmissionPolicy } from '#api/kinds/admissionregistration/mutating-admission-policy.ts'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import { ValidatingAdmissionPolicy } from '#api/kinds/admissionregistration/validating-admission-policy.ts'
import { type KubeObject, parseApiVersion } from '#api/object.ts'
import { invalidError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer, RequestAttributes, ServerContext } from '#server/request.ts'

type Policy = KubeObject & { spec?: { paramKind?: ParamKind } }
type Binding = KubeObject & { spec?: { policyName?: string; paramRef?: ParamRef } }

const POLICIES: ReadonlySet<Kind<any>> = new Set<Kind<any>>([ValidatingAdmissionPolicy, MutatingAdmissionPolicy])
const BINDINGS: ReadonlyMap<Kind<any>, Kind<any>> = new Map<Kind<any>, Kind<any>>([
  [ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicy],
  [MutatingAdmissionPolicyBinding, MutatingAdmissionPolicy],
])

export function policyParamAccess(context: ServerContext, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'PolicyParamAccess',
    validate(request) {
      const { kind, object, attributes } = request
      if (!object || attributes.subresource || attributes.user.groups.includes('system:masters')) return
      if (POLICIES.has(kind)) return checkKind(request, { context, authorizer })
      const policies = BINDINGS.get(kind)
      if (policies) return checkParams(request, { context, authorizer }, policies)
    },
  }
}

interface Asking {
  context: ServerContext
  authorizer: Authorizer
}

async function checkKind(request: AdmissionRequest, { context, authorizer }: Asking): Promise<void> {
  const paramKind = (request.object as Policy).spec?.paramKind
  if (!paramKind || equal(paramKind, (request.oldObject as Policy | undefined)?.spec?.paramKind)) return
  const { user } = request.attributes
  const asked = { user, verb: 'get', name: '*', namespace: '*', ...resourceOf(paramKind, context) }
  if (await isAllowed(authorizer, asked)) return
  const { kind, apiVersion } = paramKind
  const why = `user ${userText(user)} must have "get" permission on all objects of the referenced paramKind (kind=${kind}, apiVersion=${apiVersion})`
  throw refusal(request, 'spec.paramKind', why)
}

async function checkParams(request: AdmissionRequest, { context, authorizer }: Asking, policies: Kind<any>): Promise<void> {
  const { policyName = '', paramRef } = (request.object as Binding).spec ?? {}
  const before = (request.oldObject as Binding | undefined)?.spec
  if (!paramRef || (equal(paramRef, before?.paramRef) && policyName === before?.policyName)) return
  const policy = context.reader.get(policies, { name: policyName }) as Policy | undefined
  const { user } = request.attributes
  const verb = paramRef.name ? 'get' : 'list'
  const about = resourceOf(policy?.spec?.paramKind, context)
  if (await isAllowed(authorizer, { user, verb, name: paramRef.name ?? '', namespace: paramRef.namespace ?? '', ...about })) return
  throw refusal(request, 'spec.paramRef', `user ${userText(user)} does not have "${verb}" permission on the object referenced by paramRef`)
}

/** Whatever cannot be told must be allowed for everything. */
function resourceOf(paramKind: ParamKind | undefined, { registry }: ServerContext) {
  if (!paramKind?.apiVersion) return { group: '*', version: '*', resource: '*' }
  const found = registry.findKind(paramKind.apiVersion, paramKind.kind ?? '')?.kind
  return { ...parseApiVersion(paramKind.apiVersion), resource: found?.plural ?? '*' }
}

type Question = Pick<RequestAttributes, 'user' | 'verb' | 'name' | 'namespace' | 'group' | 'version' | 'resource'>

async function isAllowed(authorizer: Authorizer, question: Question): Promise<boolean> {
  const { allowed } = await authorizer.authorize({ ...question, isResourceRequest: true, path: '', subresource: '' })
  return allowed
}

function refusal({ kind, object }: AdmissionRequest, path: string, why: string) {
  return invalidError(kind, object?.metadata?.name ?? '', [forbidden(path, why)])
}

/** As upstream prints a user. */
const userText = ({ username, uid = '', groups }: UserInfo): string => `&{${username} ${uid} [${groups.join(' ')}] map[]}`
