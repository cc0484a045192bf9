// /debug/api_priority_and_fairness/: for people, what the levels, queues and waiting requests are like right now.
import { formatMicroTime } from '#lib/clock.ts'
import type { Clock } from '#lib/clock.ts'
import type { Endpoint } from '#server/endpoints/endpoint.ts'
import { answer } from '#server/http/call.ts'
import type { Fairness, PriorityLevel } from './fairness.ts'

const ROOT = '/debug/api_priority_and_fairness/'
type Row = readonly (string | number | boolean)[]

export function fairnessEndpoints(fairness: Fairness, clock: Clock): Endpoint[] {
  const dump = (name: string, head: readonly string[], rows: () => Iterable<Row>): Endpoint => ({
    path: ROOT + name,
    serves: (path) => path === ROOT + name,
    answer: (call) => answer(call, 200, { type: 'text/plain; charset=utf-8', body: columns([head, ...rows()]) }),
  })
  const levels = () => [...fairness.levels].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return [
    dump(
      'dump_priority_levels',
      [
        'PriorityLevelName',
        'ActiveQueues',
        'IsIdle',
        'IsQuiescing',
        'WaitingRequests',
        'ExecutingRequests',
        'DispatchedRequests',
        'RejectedRequests',
        'TimedoutRequests',
        'CancelledRequests',
      ],
      () => levels().map((level) => levelRow(fairness, level)),
    ),
    dump(
      'dump_queues',
      [
        'PriorityLevelName',
        'Index',
        'PendingRequests',
        'ExecutingRequests',
        'SeatsInUse',
        'NextDispatchR',
        'InitialSeatsSum',
        'MaxSeatsSum',
        'TotalWorkSum',
      ],
      function* () {
        for (const { name, exempt, queues } of levels()) {
          if (exempt) continue
          for (const { index, waiting, executing, seatsInUse, nextDispatch } of queues.inspect()) {
            const seats = waiting.reduce((sum, { work }) => sum + work.seats, 0)
            yield [
              name,
              index,
              waiting.length,
              executing,
              seatsInUse,
              `${(nextDispatch / 1000).toFixed(8)}ss`,
              seats,
              seats,
              `${(seats * 0.003).toFixed(8)}ss`,
            ]
          }
        }
      },
    ),
    dump(
      'dump_requests',
      [
        'PriorityLevelName',
        'FlowSchemaName',
        'QueueIndex',
        'RequestIndexInQueue',
        'FlowDistingsher',
        'ArriveTime',
        'InitialSeats',
        'FinalSeats',
        'AdditionalLatency',
      ],
      function* () {
        const offset = clock.now() - clock.monotonic()
        for (const { name, exempt, queues } of levels()) {
          if (exempt) continue
          for (const { index, waiting } of queues.inspect())
            for (const [at, { work, arrivedMs }] of waiting.entries())
              yield [name, work.flowSchema, index, at, work.distinguisher, formatMicroTime(arrivedMs + offset), work.seats, 0, '0s']
        }
      },
    ),
  ]
}

function levelRow(fairness: Fairness, { name, exempt, executing, queues }: PriorityLevel): Row {
  const counts = [...fairness.counts].filter(({ level }) => level === name)
  const dispatched = counts.reduce((sum, one) => sum + one.dispatched, 0)
  const rejected = (...reasons: string[]) =>
    counts.reduce(
      (sum, one) => sum + [...one.rejected].reduce((some, [reason, value]) => some + (reasons.includes(reason) ? value : 0), 0),
      0,
    )
  const running = exempt ? executing : queues.executing
  return [
    name,
    queues.activeQueues,
    running + queues.waiting === 0,
    false,
    queues.waiting,
    running,
    dispatched,
    rejected('queue-full', 'concurrency-limit'),
    rejected('time-out'),
    rejected('cancelled'),
  ]
}

/** Aligned, commas between. */
function columns(rows: readonly Row[]): string {
  const widths: number[] = []
  const texts = rows.map((row) => row.map((cell, at) => `${cell}${at < row.length - 1 ? ',' : ''}`))
  for (const row of texts) for (const [at, text] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, text.length + 1)
  return texts.map((row) => `${row.map((text, at) => (at < row.length - 1 ? text.padEnd(widths[at]!) : text)).join('')}\n`).join('')
}
