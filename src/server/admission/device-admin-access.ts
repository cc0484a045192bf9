// Access to devices that others use is for namespaces an administrator has labelled: asked of claims and templates as they are made, and of what
// is allocated to a claim.
import type { DeviceRequest } from '#api/generated/types.ts'
import { forbidden } from '#api/field-error.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceClaimTemplate } from '#api/kinds/resource/resource-claim-template.ts'
import { invalidError } from '#api/status.ts'
import type { AdmissionPlugin, AdmissionRequest, ServerContext } from '#server/request.ts'
import { onceThere } from './once-there.ts'
import { target } from './refusal.ts'

const LABEL = 'resource.kubernetes.io/admin-access'
const TEMPLATES = 'resourceclaimtemplates.resource.k8s.io'
const CLAIMS = 'resourceclaims.resource.k8s.io'
const STATUS = `${CLAIMS}/status`

export function deviceAdminAccess({ reader }: ServerContext): AdmissionPlugin {
  return {
    name: 'DeviceAdminAccess',
    of: [CLAIMS, TEMPLATES, STATUS],
    validate(request) {
      const path = askedAt(request)
      if (path === undefined) return
      const look = () => reader.get(Namespace, { name: request.attributes.namespace })?.metadata?.labels?.[LABEL] === 'true'
      const check = () => {
        if (look()) return
        const why = `admin access to devices requires the \`${LABEL}: true\` label on the containing namespace`
        throw invalidError(request.kind, request.object?.metadata?.name ?? '', [forbidden(path, why)])
      }
      return onceThere(reader, look, check)
    },
  }
}

/** Where the object first asks for it, if it does so now. */
function askedAt(request: AdmissionRequest): string | undefined {
  switch (target(request)) {
    case STATUS: {
      const granted = resultsOf(request.object).findIndex(({ adminAccess }) => adminAccess)
      const before = resultsOf(request.oldObject).some(({ adminAccess }) => adminAccess)
      return granted < 0 || before ? undefined : `status.allocation.devices.results[${granted}].adminAccess`
    }
    case CLAIMS:
    case TEMPLATES: {
      // What is asked for never changes afterwards.
      if (request.operation !== 'CREATE') return undefined
      const asked = requestsOf(request).findIndex(({ exactly }) => exactly?.adminAccess)
      return asked < 0 ? undefined : `spec.devices.requests[${asked}].adminAccess`
    }
  }
  return undefined
}

const resultsOf = (claim: unknown) => (claim as ResourceClaim | undefined)?.status?.allocation?.devices?.results ?? []

function requestsOf(request: AdmissionRequest): readonly DeviceRequest[] {
  const spec = target(request) === TEMPLATES ? (request.object as ResourceClaimTemplate).spec?.spec : (request.object as ResourceClaim).spec
  return spec?.devices?.requests ?? []
}
