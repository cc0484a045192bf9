// The admission plugins in upstream's order. All mutating halves run in this order, then all validating halves.
import type { AdmissionPlugin, Authorizer, ServerContext } from '#server/request.ts'
import { type AdmissionOptions, chosen } from './admission-configuration.ts'
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts'
import { defaultIngressClass, defaultStorageClass } from './default-classes.ts'
import { defaultTolerationSeconds } from './default-toleration-seconds.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeDeclaredFeatureValidator } from './node-declared-features.ts'
import { nodeRestriction } from './node-restriction.ts'
import { ownerReferencesPermissionEnforcement } from './owner-references.ts'
import { persistentVolumeClaimResize } from './persistent-volume-claim-resize.ts'
import { PolicyMetrics } from './policies/policy-metrics.ts'
import { mutatingAdmissionPolicy } from './policies/mutating.ts'
import { validatingAdmissionPolicy } from './policies/validating.ts'
import { podSecurity } from './pod-security.ts'
import { podResizeValidator } from './pod-resize.ts'
import { podTopologyLabels } from './pod-topology-labels.ts'
import { priority } from './priority.ts'
import { resourceQuota } from './resource-quota.ts'
import { runtimeClass } from './runtime-class.ts'
import { serviceAccount } from './service-account.ts'
import { storageObjectInUseProtection } from './storage-object-in-use-protection.ts'
import { taintNodesByCondition } from './taint-nodes-by-condition.ts'
import { mutatingWebhooks } from './webhooks/mutating-webhooks.ts'
import { validatingWebhooks } from './webhooks/validating-webhooks.ts'
import { WebhookMetrics } from './webhooks/webhook-metrics.ts'

/** What the plugins count. */
export interface AdmissionMetrics {
  validatingPolicies: PolicyMetrics
  mutatingPolicies: PolicyMetrics
  webhooks: WebhookMetrics
}

export const admissionMetrics = (): AdmissionMetrics => ({
  validatingPolicies: new PolicyMetrics('validating'),
  mutatingPolicies: new PolicyMetrics('mutating'),
  webhooks: new WebhookMetrics(),
})

export function admissionPlugins(
  context: ServerContext,
  authorizer: Authorizer,
  { metrics = admissionMetrics(), options = {} }: { metrics?: AdmissionMetrics; options?: AdmissionOptions } = {},
): AdmissionPlugin[] {
  const webhooks = { ...context, metrics: metrics.webhooks }
  const plugins = [
    namespaceLifecycle(context),
    limitRanger(context),
    serviceAccount(context),
    nodeRestriction(context, authorizer),
    taintNodesByCondition,
    podSecurity(context, options.podSecurity),
    priority(context),
    defaultTolerationSeconds,
    defaultStorageClass(context),
    storageObjectInUseProtection,
    ownerReferencesPermissionEnforcement(context, authorizer),
    persistentVolumeClaimResize(context),
    runtimeClass(context),
    certificateApproval(authorizer),
    certificateSigning(authorizer),
    certificateSubjectRestriction,
    defaultIngressClass(context),
    podTopologyLabels(context),
    nodeDeclaredFeatureValidator(context),
    podResizeValidator(context),
    mutatingAdmissionPolicy(context, authorizer, metrics.mutatingPolicies),
    mutatingWebhooks(webhooks, authorizer),
    validatingAdmissionPolicy(context, authorizer, metrics.validatingPolicies),
    validatingWebhooks(webhooks, authorizer),
    resourceQuota(context, options.limitedResources),
  ]
  return chosen(plugins, options)
}
