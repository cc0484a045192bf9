// What the scheduler counts, under upstream's names. Left out: batches, which there are none of.
import { exponentialBounds, Metrics, type MetricTable } from '#lib/metrics.ts'

const SECONDS = exponentialBounds(0.001, 2, 15)
const attempt = ['result', 'profile']

const table = {
  scheduler_schedule_attempts_total: { type: 'counter', help: 'Attempts to place a pod, by what came of them.', labels: attempt },
  scheduler_scheduling_attempt_duration_seconds: {
    type: 'histogram',
    help: 'How long an attempt takes, with its binding.',
    labels: attempt,
    bounds: SECONDS,
  },
  scheduler_scheduling_algorithm_duration_seconds: { type: 'histogram', help: 'How long it takes to find a node.', bounds: SECONDS },
  scheduler_pod_scheduling_sli_duration_seconds: {
    type: 'histogram',
    help: 'From when a pod may be tried to when it is bound.',
    labels: ['attempts'],
    bounds: exponentialBounds(0.01, 2, 20),
  },
  scheduler_pod_scheduling_attempts: {
    type: 'histogram',
    help: 'Attempts that pods needed which were bound.',
    bounds: exponentialBounds(1, 2, 5),
  },
  scheduler_queue_incoming_pods_total: { type: 'counter', help: 'Pods that came to wait, by where and why.', labels: ['queue', 'event'] },
  scheduler_framework_extension_point_duration_seconds: {
    type: 'histogram',
    help: 'How long all plugins of a point take.',
    labels: ['extension_point', 'status', 'profile'],
    bounds: exponentialBounds(0.0001, 2, 12),
  },
  scheduler_plugin_execution_duration_seconds: {
    type: 'histogram',
    help: 'How long one plugin takes at a point, of one pod in ten.',
    labels: ['plugin', 'extension_point', 'status'],
    bounds: exponentialBounds(0.00001, 1.5, 20),
  },
  scheduler_plugin_evaluation_total: {
    type: 'counter',
    help: 'How often plugins are asked.',
    labels: ['plugin', 'extension_point', 'profile'],
  },
  scheduler_queueing_hint_execution_duration_seconds: {
    type: 'histogram',
    help: 'How long a plugin takes to say whether a change helps a pod, of one question in ten.',
    labels: ['plugin', 'event', 'hint'],
    bounds: exponentialBounds(0.00001, 1.5, 20),
  },
  scheduler_event_handling_duration_seconds: {
    type: 'histogram',
    help: 'How long it takes to note what changed.',
    labels: ['event'],
    bounds: exponentialBounds(0.0001, 2, 12),
  },
  scheduler_inflight_events: { type: 'gauge', help: 'Changes kept for pods that are being tried.', labels: ['event'] },
  scheduler_goroutines: { type: 'gauge', help: 'What goes on beside the search for nodes.', labels: ['operation'] },
  scheduler_preemption_goroutines_duration_seconds: {
    type: 'histogram',
    help: 'How long it takes to have victims go.',
    labels: ['result'],
    bounds: exponentialBounds(0.01, 2, 20),
  },
  scheduler_preemption_goroutines_execution_total: { type: 'counter', help: 'Times victims were told to go.', labels: ['result'] },
  scheduler_preemption_attempts_total: { type: 'counter', help: 'Attempts to make room for a pod.' },
  scheduler_preemption_victims: { type: 'histogram', help: 'Pods that had to go for another.', bounds: exponentialBounds(1, 2, 7) },
  scheduler_pending_pods: { type: 'gauge', help: 'Pods that wait, by what they wait for.', labels: ['queue'] },
  scheduler_unschedulable_pods: {
    type: 'gauge',
    help: 'Pods that were refused, by each plugin that did.',
    labels: ['plugin', 'profile'],
  },
  scheduler_cache_size: { type: 'gauge', help: 'Nodes and pods as the scheduler knows them.', labels: ['type'] },
} as const satisfies MetricTable

export type SchedulerMetrics = Metrics<typeof table>

export function createSchedulerMetrics(): SchedulerMetrics {
  return new Metrics(table)
}
