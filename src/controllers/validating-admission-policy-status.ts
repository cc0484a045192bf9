// validatingadmissionpolicy-status-controller: checks the expressions of policies against the kinds they are about, and tells in their status.
import { ValidatingAdmissionPolicy } from '#api/kinds/admissionregistration/validating-admission-policy.ts'
import { COMPILE_SLICE } from '#api/policies/compile.ts'
import { expressionWarnings } from '#api/policies/type-check.ts'
import type { Controller } from '#client/controller.ts'
import { itself } from '#client/triggers.ts'
import { paced } from '#lib/paced.ts'
import type { ClusterKinds } from './cluster-kinds.ts'

export function validatingAdmissionPolicyStatusController(kinds: ClusterKinds): Controller {
  return {
    name: 'validatingadmissionpolicy-status-controller',
    triggers: [itself(ValidatingAdmissionPolicy)],
    async reconcile(key, { client, informers }) {
      const policy = informers.of(ValidatingAdmissionPolicy).get(key)
      const { generation = 0 } = policy?.metadata ?? {}
      if (!policy || generation <= (policy.status?.observedGeneration ?? 0)) return
      await kinds.synced()
      const warnings = await paced(expressionWarnings(policy.spec ?? {}, kinds.served()), COMPILE_SLICE)
      const patch: ValidatingAdmissionPolicy = {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name: key.name },
        status: { observedGeneration: generation, typeChecking: warnings.length > 0 ? { expressionWarnings: warnings } : {} },
      }
      const options = { fieldManager: 'validatingadmissionpolicy-status', subresource: 'status' }
      await client.patch(ValidatingAdmissionPolicy, key, { type: 'apply', patch, force: true }, options)
    },
  }
}
