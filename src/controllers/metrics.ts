// What controllers count, under upstream's names, and what upstream calls their queues.
import { queueMetrics } from '#client/queue-metrics.ts'
import { exponentialBounds, Metrics, type MetricTable } from '#lib/metrics.ts'

const PER_SYNC = exponentialBounds(2, 2, 15)

const table = {
  ...queueMetrics,
  running_managed_controllers: { type: 'gauge', help: 'Controllers that run here.', labels: ['manager', 'name'] },

  job_controller_job_sync_duration_seconds: {
    type: 'histogram',
    help: 'How long a pass over a job takes.',
    labels: ['completion_mode', 'result', 'action'],
    bounds: exponentialBounds(0.004, 2, 15),
  },
  job_controller_job_syncs_total: {
    type: 'counter',
    help: 'Passes over jobs.',
    labels: ['completion_mode', 'result', 'action'],
  },
  job_controller_jobs_finished_total: {
    type: 'counter',
    help: 'Jobs that came to an end.',
    labels: ['completion_mode', 'result', 'reason'],
  },
  job_controller_job_pods_finished_total: {
    type: 'counter',
    help: 'Pods of jobs that were counted.',
    labels: ['completion_mode', 'result'],
  },
  job_controller_job_finished_indexes_total: {
    type: 'counter',
    help: 'Indexes that succeeded or failed.',
    labels: ['status', 'backoffLimit'],
  },
  job_controller_job_pods_creation_total: { type: 'counter', help: 'Pods made for jobs.', labels: ['reason', 'status'] },
  job_controller_pod_failures_handled_by_failure_policy_total: {
    type: 'counter',
    help: 'Failed pods that a failure policy has a rule for.',
    labels: ['action'],
  },
  job_controller_jobs_by_external_controller_total: {
    type: 'counter',
    help: 'Jobs that someone else manages.',
    labels: ['controller_name'],
  },
  cronjob_controller_job_creation_skew_duration_seconds: {
    type: 'histogram',
    help: 'How late jobs are made.',
    bounds: exponentialBounds(1, 2, 10),
  },
  ttl_after_finished_controller_job_deletion_duration_seconds: {
    type: 'histogram',
    help: 'How late finished jobs are deleted.',
    bounds: exponentialBounds(0.1, 2, 14),
  },

  endpoint_slice_controller_endpoints_added_per_sync: { type: 'histogram', help: 'Endpoints added by a pass.', bounds: PER_SYNC },
  endpoint_slice_controller_endpoints_removed_per_sync: { type: 'histogram', help: 'Endpoints removed by a pass.', bounds: PER_SYNC },
  endpoint_slice_controller_endpoints_desired: { type: 'gauge', help: 'Endpoints there should be.' },
  endpoint_slice_controller_num_endpoint_slices: { type: 'gauge', help: 'Slices there are.' },
  endpoint_slice_controller_desired_endpoint_slices: { type: 'gauge', help: 'Slices that would do.' },
  endpoint_slice_controller_changes: { type: 'counter', help: 'Slices written.', labels: ['operation'] },
  endpoint_slice_controller_syncs: { type: 'counter', help: 'Passes over services.', labels: ['result'] },

  node_collector_zone_size: { type: 'gauge', help: 'Nodes of a zone.', labels: ['zone'] },
  node_collector_zone_health: { type: 'gauge', help: 'Percent of its nodes that are ready.', labels: ['zone'] },
  node_collector_unhealthy_nodes_in_zone: { type: 'gauge', help: 'Nodes of a zone that are not ready.', labels: ['zone'] },
  node_collector_evictions_total: { type: 'counter', help: 'Nodes whose pods were told to go.', labels: ['zone'] },
  taint_eviction_controller_pod_deletions_total: { type: 'counter', help: 'Pods deleted for a taint.' },
  taint_eviction_controller_pod_deletion_duration_seconds: {
    type: 'histogram',
    help: 'How late they were deleted.',
    bounds: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240],
  },
  pod_gc_collector_force_delete_pods_total: {
    type: 'counter',
    help: 'Pods deleted that nobody else would delete.',
    labels: ['namespace', 'reason'],
  },
  pod_gc_collector_force_delete_pod_errors_total: {
    type: 'counter',
    help: 'Pods that could not be.',
    labels: ['namespace', 'reason'],
  },
  attachdetach_controller_forced_detaches: {
    type: 'counter',
    help: 'Volumes detached though their node may still use them.',
    labels: ['reason'],
  },
  ephemeral_volume_controller_create_total: { type: 'counter', help: 'Claims made for ephemeral volumes.' },
  ephemeral_volume_controller_create_failures_total: { type: 'counter', help: 'Those that could not be.' },
  root_ca_cert_publisher_sync_total: { type: 'counter', help: 'Passes over namespaces.', labels: ['code'] },
  root_ca_cert_publisher_sync_duration_seconds: {
    type: 'histogram',
    help: 'How long one takes.',
    labels: ['code'],
    bounds: exponentialBounds(0.001, 2, 15),
  },
  horizontal_pod_autoscaler_controller_reconciliations_total: {
    type: 'counter',
    help: 'Passes over autoscalers.',
    labels: ['action', 'error'],
  },
  horizontal_pod_autoscaler_controller_reconciliation_duration_seconds: {
    type: 'histogram',
    help: 'How long one takes.',
    labels: ['action', 'error'],
    bounds: exponentialBounds(0.001, 2, 15),
  },
  horizontal_pod_autoscaler_controller_metric_computation_total: {
    type: 'counter',
    help: 'Metrics that were worked out.',
    labels: ['action', 'error', 'metric_type'],
  },
  horizontal_pod_autoscaler_controller_metric_computation_duration_seconds: {
    type: 'histogram',
    help: 'How long one takes.',
    labels: ['action', 'error', 'metric_type'],
    bounds: exponentialBounds(0.001, 2, 15),
  },
} as const satisfies MetricTable

export type ControllerMetrics = Metrics<typeof table>

export function createControllerMetrics(): ControllerMetrics {
  return new Metrics(table)
}

/** By the names of controllers; others' queues are called like them. */
export const queueNames: Readonly<Record<string, string>> = {
  'certificatesigningrequest-approving-controller': 'certificate',
  'certificatesigningrequest-signing-controller': 'certificate',
  'clusterrole-aggregation-controller': 'ClusterRoleAggregator',
  'cronjob-controller': 'cronjob',
  'daemonset-controller': 'daemonset',
  'deployment-controller': 'deployment',
  'disruption-controller': 'disruption',
  'endpoints-controller': 'endpoint',
  'endpointslice-controller': 'endpoint_slice',
  'endpointslice-mirroring-controller': 'endpoint_slice_mirroring',
  'ephemeral-volume-controller': 'ephemeral_volume',
  'garbage-collector-controller': 'garbage_collector_attempt_to_delete',
  'horizontal-pod-autoscaler-controller': 'horizontalpodautoscaler',
  'job-controller': 'job',
  'job-orphan-controller': 'job_orphan_pod',
  'namespace-controller': 'namespace',
  'node-lifecycle-controller': 'node_lifecycle_controller',
  'persistentvolume-binder-controller': 'claims',
  'persistentvolume-expander-controller': 'volume_expand',
  'persistentvolume-protection-controller': 'pvprotection',
  'persistentvolumeclaim-protection-controller': 'pvcprotection',
  'pod-garbage-collector-controller': 'orphaned_pods_nodes',
  'replicaset-controller': 'replicaset',
  'replicationcontroller-controller': 'replicationmanager',
  'resourceclaim-controller': 'resource_claim',
  'resourcequota-controller': 'resourcequota_primary',
  'root-ca-certificate-publisher-controller': 'root_ca_cert_publisher',
  'service-cidr-controller': 'servicecidrs',
  'serviceaccount-controller': 'serviceaccount',
  'serviceaccount-token-controller': 'serviceaccount_tokens_secret',
  'stale-pod-disruption-controller': 'stale_pod_disruption',
  'statefulset-controller': 'statefulset',
  'ttl-after-finished-controller': 'ttl_jobs_to_delete',
  'ttl-controller': 'ttlcontroller',
}
