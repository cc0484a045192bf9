// apiserver_flowcontrol_*: what priority and fairness counts, under upstream's names.
import type { Series } from '#lib/histogram.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import type { Fairness, FlowCounts } from './fairness.ts'

const PREFIX = 'apiserver_flowcontrol_'

export function* fairnessMetrics(fairness: Fairness): Generator<MetricFamily> {
  const flows = [...fairness.counts]
  const levels = [...fairness.levels]
  const labels = ({ level, flow }: FlowCounts) => ({ priority_level: level, flow_schema: flow })
  const perFlow = (
    name: string,
    help: string,
    { type, value }: { type: 'counter' | 'gauge'; value(counts: FlowCounts): number },
  ): MetricFamily => ({
    name: PREFIX + name,
    help,
    type,
    samples: flows.map((counts) => ({ labels: labels(counts), value: value(counts) })),
  })
  const perLevel = (name: string, help: string, value: (level: (typeof levels)[number]) => number): MetricFamily => ({
    name: PREFIX + name,
    help,
    type: 'gauge',
    samples: levels.map((level) => ({ labels: { priority_level: level.name }, value: value(level) })),
  })
  yield {
    name: `${PREFIX}rejected_requests_total`,
    help: 'Requests turned away, by reason.',
    type: 'counter',
    samples: flows.flatMap((counts) => [...counts.rejected].map(([reason, value]) => ({ labels: { ...labels(counts), reason }, value }))),
  }
  yield perFlow('dispatched_requests_total', 'Requests let in.', { type: 'counter', value: ({ dispatched }) => dispatched })
  yield perFlow('current_inqueue_requests', 'Requests that wait in queues.', { type: 'gauge', value: ({ waiting }) => waiting })
  yield perFlow('current_executing_requests', 'Requests that run.', { type: 'gauge', value: ({ executing }) => executing })
  yield {
    name: `${PREFIX}request_wait_duration_seconds`,
    help: 'How long requests waited before they ran, or were turned away.',
    type: 'histogram',
    samples: flows.flatMap(({ waited, waitedInVain }) => [waited, waitedInVain].flatMap(samplesOf)),
  }
  yield {
    name: `${PREFIX}request_execution_seconds`,
    help: 'How long requests ran; watches until what they begin with was sent.',
    type: 'histogram',
    samples: flows.flatMap(({ ran, ranWatches }) => [ran, ranWatches].flatMap(samplesOf)),
  }
  yield perLevel('nominal_limit_seats', 'Seats by shares.', ({ bounds }) => bounds.nominal)
  yield perLevel('lower_limit_seats', 'Seats that are never lent.', ({ bounds }) => bounds.least)
  yield perLevel('upper_limit_seats', 'Seats with all that may be borrowed.', ({ bounds }) => bounds.most)
  yield perLevel('current_limit_seats', 'Seats now.', ({ queues }) => queues.limit)
  yield perLevel('current_executing_seats', 'Seats taken.', ({ queues }) => queues.seatsInUse)
  yield perLevel('demand_seats_high_watermark', 'Seats wanted at most in the last period.', ({ demand }) => demand.high)
  yield perLevel('demand_seats_average', 'Seats wanted on average.', ({ demand }) => demand.average)
  yield perLevel('demand_seats_stdev', 'Deviation of the seats wanted.', ({ demand }) => demand.deviation)
  yield perLevel('demand_seats_smoothed', 'Seats wanted, with spikes forgotten slowly.', ({ demand }) => demand.smoothed)
  yield perLevel('target_seats', 'Seats aimed at.', ({ target }) => target)
  yield {
    name: `${PREFIX}seat_fair_frac`,
    help: 'What part of its target each level could get.',
    type: 'gauge',
    samples: [{ labels: {}, value: fairness.fraction }],
  }
}

/** Flows that never were are not told of. */
const samplesOf = (series: Series) => (series.buckets.some((count) => count > 0) ? series.samples() : [])
