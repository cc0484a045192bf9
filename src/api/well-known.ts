// Well-known labels, annotations, taints, finalizers and names that more than one part of a cluster reads or writes. What one file alone speaks of stands there.

// Nodes
export const HOSTNAME_LABEL = 'kubernetes.io/hostname'
export const ZONE_LABEL = 'topology.kubernetes.io/zone'
export const REGION_LABEL = 'topology.kubernetes.io/region'
export const OLD_ZONE_LABEL = 'failure-domain.beta.kubernetes.io/zone'
export const OLD_REGION_LABEL = 'failure-domain.beta.kubernetes.io/region'
export const NOT_READY_TAINT = 'node.kubernetes.io/not-ready'
export const UNREACHABLE_TAINT = 'node.kubernetes.io/unreachable'
export const MEMORY_PRESSURE_TAINT = 'node.kubernetes.io/memory-pressure'
export const DISK_PRESSURE_TAINT = 'node.kubernetes.io/disk-pressure'
export const PID_PRESSURE_TAINT = 'node.kubernetes.io/pid-pressure'
export const NETWORK_UNAVAILABLE_TAINT = 'node.kubernetes.io/network-unavailable'
export const OUT_OF_SERVICE_TAINT = 'node.kubernetes.io/out-of-service'
export const NODE_LEASE_NAMESPACE = 'kube-node-lease'

// Pods and what makes them
export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror'
export const DELETION_COST_ANNOTATION = 'controller.kubernetes.io/pod-deletion-cost'
export const SECCOMP_POD_ANNOTATION = 'seccomp.security.alpha.kubernetes.io/pod'
/** Before the name of a container. */
export const SECCOMP_CONTAINER_PREFIX = 'container.seccomp.security.alpha.kubernetes.io/'
export const TEMPLATE_GENERATION_ANNOTATION = 'deprecated.daemonset.template.generation'
export const JOB_NAME_LABEL = 'batch.kubernetes.io/job-name'
export const JOB_UID_LABEL = 'batch.kubernetes.io/controller-uid'

// Services
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'
export const HEADLESS_LABEL = 'service.kubernetes.io/headless'
export const SLICE_MANAGER_LABEL = 'endpointslice.kubernetes.io/managed-by'
export const SKIP_MIRROR_LABEL = 'endpointslice.kubernetes.io/skip-mirror'
export const SERVICE_CIDR_FINALIZER = 'networking.k8s.io/service-cidr-finalizer'
/** Of IPAddress objects: who gives them out and takes them back. */
export const ADDRESS_MANAGER_LABEL = 'ipaddress.kubernetes.io/managed-by'
export const ADDRESS_FAMILY_LABEL = 'ipaddress.kubernetes.io/ip-family'
export const ADDRESS_MANAGER = 'ipallocator.k8s.io'
export const DEFAULT_INGRESS_CLASS_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class'

// Volumes
export const BIND_COMPLETED_ANNOTATION = 'pv.kubernetes.io/bind-completed'
export const BOUND_BY_CONTROLLER_ANNOTATION = 'pv.kubernetes.io/bound-by-controller'
export const SELECTED_NODE_ANNOTATION = 'volume.kubernetes.io/selected-node'
/** Of a CSINode: of which in-tree plugins the node leaves the volumes to drivers. */
export const MIGRATED_PLUGINS_ANNOTATION = 'storage.alpha.kubernetes.io/migrated-plugins'
/** Where the class of a claim stood before there was a field for it. */
export const STORAGE_CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class'
/** One of them is enough. */
export const DEFAULT_STORAGE_CLASS_ANNOTATIONS = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
]
/** The provisioner of classes whose volumes are made by hand. */
export const NO_PROVISIONER = 'kubernetes.io/no-provisioner'
export const CLAIM_PROTECTION_FINALIZER = 'kubernetes.io/pvc-protection'
export const VOLUME_PROTECTION_FINALIZER = 'kubernetes.io/pv-protection'
export const VOLUME_ATTRIBUTES_PROTECTION_FINALIZER = 'kubernetes.io/vac-protection'

// Service accounts and their tokens
export const SERVICE_ACCOUNT_TOKEN_TYPE = 'kubernetes.io/service-account-token'
export const SERVICE_ACCOUNT_NAME_ANNOTATION = 'kubernetes.io/service-account.name'
export const SERVICE_ACCOUNT_UID_ANNOTATION = 'kubernetes.io/service-account.uid'
export const MOUNTABLE_SECRETS_ANNOTATION = 'kubernetes.io/enforce-mountable-secrets'
export const TOKEN_LAST_USED_LABEL = 'kubernetes.io/legacy-token-last-used'
export const TOKEN_INVALID_SINCE_LABEL = 'kubernetes.io/legacy-token-invalid-since'

// Every object
export const LAST_APPLIED_ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration'
export const ORPHAN_FINALIZER = 'orphan'
export const FOREGROUND_FINALIZER = 'foregroundDeletion'
