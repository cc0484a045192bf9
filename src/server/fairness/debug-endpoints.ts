// /debug/api_priority_and_fairness/: for people, what the levels, queues and waiting requests are like right now.
import { formatMicroTime } from '#lib/clock.ts'
import type { Clock } from '#lib/clock.ts'
import type { Endpoint } from '#server/endpoints/endpoint.ts'
import { answer } from '#server/http/call.ts'
import type { Asked, Fairness, PriorityLevel } from './fairness.ts'

const ROOT = '/debug/api_priority_and_fairness/'
const TYPE = 'text/plain; charset=utf-8'
const REQUEST_COLUMNS = [
  'PriorityLevelName',
  'FlowSchemaName',
  'QueueIndex',
  'RequestIndexInQueue',
  'FlowDistingsher',
  'ArriveTime',
  'InitialSeats',
  'FinalSeats',
  'AdditionalLatency',
  'StartTime',
]
const DETAIL_COLUMNS = ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource']
/** When what waits began: Go's zero. */
const NEVER = '0001-01-01T00:00:00Z'

type Row = readonly (string | number | boolean)[]

export function fairnessEndpoints(fairness: Fairness, clock: Clock): Endpoint[] {
  const dump = (name: string, head: readonly string[], rows: () => Iterable<Row>): Endpoint => ({
    path: ROOT + name,
    serves: (path) => path === ROOT + name,
    answer: (call) => answer(call, 200, { type: TYPE, body: columns([head, ...rows()]) }),
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
    {
      ...dump('dump_requests', [], () => []),
      answer: (call) => {
        const details = (call.exchange.query.get('includeRequestDetails') ?? '') !== ''
        const head = details ? [...REQUEST_COLUMNS, ...DETAIL_COLUMNS] : REQUEST_COLUMNS
        answer(call, 200, { type: TYPE, body: columns([head, ...requestRows(levels(), { clock, details })]) })
      },
    },
  ]
}

/** Of each queue those that wait, then those that run (index -1); last those that no queue knows (queue -1). */
function* requestRows(levels: Iterable<PriorityLevel>, { clock, details }: { clock: Clock; details: boolean }): Generator<Row> {
  const offset = clock.now() - clock.monotonic()
  const time = (ms: number) => formatMicroTime(ms + offset)
  const about = ({ username, info }: Asked): Row =>
    details ? [username, info.verb, info.path, info.namespace, info.name, groupVersion(info), info.resource, info.subresource] : []
  for (const { name, passing, queues } of levels) {
    const running = [...queues.running].map(({ work, queue, startedMs, waitedMs }): [queue: number, Row] => {
      const { flowSchema, distinguisher, seats, request } = work
      const times = { arrived: time(startedMs - waitedMs), started: time(startedMs) }
      return [queue, [name, flowSchema, queue, -1, distinguisher, times.arrived, seats, 0, '0s', times.started, ...about(request as Asked)]]
    })
    for (const { index, waiting } of queues.inspect()) {
      for (const [at, { work, arrivedMs }] of waiting.entries()) {
        const { flowSchema, distinguisher, seats, request } = work
        yield [name, flowSchema, index, at, distinguisher, time(arrivedMs), seats, 0, '0s', NEVER, ...about(request as Asked)]
      }
      for (const [queue, row] of running) if (queue === index) yield row
    }
    for (const [queue, row] of running) if (queue === -1) yield row
    for (const one of passing) {
      const started = time(one.startedMs)
      yield [name, one.flowSchema, -1, -1, '', started, 1, 0, '0s', started, ...about(one)]
    }
  }
}

const groupVersion = ({ group, version }: Asked['info']): string => (group === '' ? version : `${group}/${version}`)

function levelRow(fairness: Fairness, { name, exempt, passing, queues }: PriorityLevel): Row {
  const counts = [...fairness.counts].filter(({ level }) => level === name)
  const dispatched = counts.reduce((sum, one) => sum + one.dispatched, 0)
  const rejected = (...reasons: string[]) =>
    counts.reduce(
      (sum, one) => sum + [...one.rejected].reduce((some, [reason, value]) => some + (reasons.includes(reason) ? value : 0), 0),
      0,
    )
  const running = exempt ? passing.size : queues.executing
  return [
    name,
    [...queues.inspect()].filter(({ waiting }) => waiting.length > 0).length,
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
