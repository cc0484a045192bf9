// What is told of work queues, under the names of Kubernetes' own. The label is the queue's.
import { exponentialBounds, type MetricTable } from '#lib/metrics.ts'

const SECONDS = exponentialBounds(1e-8, 10, 12)
const labels = ['name']

export const queueMetrics = {
  workqueue_adds_total: { type: 'counter', help: 'Keys that were added.', labels },
  workqueue_depth: { type: 'gauge', help: 'Keys that wait.', labels },
  workqueue_longest_running_processor_seconds: { type: 'gauge', help: 'How long the slowest worker has been at its key.', labels },
  workqueue_queue_duration_seconds: { type: 'histogram', help: 'How long a key waits for a worker.', labels, bounds: SECONDS },
  workqueue_retries_total: { type: 'counter', help: 'Keys that came again after a failure.', labels },
  workqueue_unfinished_work_seconds: { type: 'gauge', help: 'How long all workers together have been at their keys.', labels },
  workqueue_work_duration_seconds: { type: 'histogram', help: 'How long a worker is at a key.', labels, bounds: SECONDS },
} as const satisfies MetricTable
