import assert from 'node:assert/strict'
import test from 'node:test'
import type { HorizontalPodAutoscalerBehaviorV2 } from '#api/generated/types.ts'
import { limitByRange, ScalingHistory } from './scaling-limits.ts'

const limits = (current: number, desired: number, now = 0) => ({ current, desired, min: 1, max: 100, now })
const pods = (value: number, periodSeconds = 60) => ({ type: 'Pods', value, periodSeconds })
const percent = (value: number, periodSeconds = 60) => ({ type: 'Percent', value, periodSeconds })

const RANGE: [current: number, desired: number, replicas: number, reason: string][] = [
  [1, 3, 3, 'DesiredWithinRange'],
  [1, 9, 4, 'ScaleUpLimit'],
  [10, 25, 20, 'ScaleUpLimit'],
  [60, 110, 100, 'TooManyReplicas'],
  [5, 0, 1, 'TooFewReplicas'],
]

for (const [current, desired, replicas, reason] of RANGE)
  test(`limitByRange takes ${current} to ${replicas} where ${desired} are wanted`, () => {
    const limited = limitByRange(limits(current, desired))
    assert.deepEqual([limited.replicas, limited.reason], [replicas, reason])
  })

test('ScalingHistory stabilize keeps to the highest of five minutes', () => {
  const history = new ScalingHistory()
  history.begin(5, 0)
  assert.equal(history.stabilize(3, 15_000).reason, 'ScaleDownStabilized')
  assert.equal(history.stabilize(2, 300_000).replicas, 5)
  assert.equal(history.stabilize(2, 300_001).replicas, 3)
  assert.deepEqual(history.stabilize(4, 300_002), {
    replicas: 4,
    reason: 'ReadyForNewScale',
    message: 'recommended size matches current size',
  })
})

test('ScalingHistory stabilizeBy keeps to the lowest on the way up and the highest on the way down', () => {
  const behavior = { scaleUp: { stabilizationWindowSeconds: 60 }, scaleDown: { stabilizationWindowSeconds: 120 } }
  const history = new ScalingHistory()
  history.begin(4, 0)
  const of = (desired: number, now: number) => {
    const { replicas, reason } = history.stabilizeBy(behavior, limits(4, desired, now))
    return `${replicas} ${reason}`
  }
  assert.equal(of(8, 30_000), '4 ScaleUpStabilized')
  assert.equal(of(9, 61_000), '8 ScaleUpStabilized')
  assert.equal(of(2, 70_000), '4 ScaleDownStabilized')
  assert.equal(of(2, 140_000), '4 ScaleDownStabilized')
  assert.equal(of(2, 200_000), '2 ReadyForNewScale')
})

const PACE: [title: string, behavior: HorizontalPodAutoscalerBehaviorV2, current: number, desired: number, wanted: string][] = [
  ['up by pods', { scaleUp: { policies: [pods(3)] } }, 5, 20, '8 ScaleUpLimit'],
  ['up by percent, rounded up', { scaleUp: { policies: [percent(10)] } }, 5, 20, '6 ScaleUpLimit'],
  ['up by the most of several', { scaleUp: { selectPolicy: 'Max', policies: [pods(4), percent(100)] } }, 5, 20, '10 ScaleUpLimit'],
  ['up by the least of several', { scaleUp: { selectPolicy: 'Min', policies: [pods(4), percent(100)] } }, 5, 20, '9 ScaleUpLimit'],
  ['not up where that is disabled', { scaleUp: { selectPolicy: 'Disabled', policies: [pods(4)] } }, 5, 20, '5 ScaleUpLimit'],
  ['up to the maximum', { scaleUp: { policies: [pods(400)] } }, 90, 200, '100 TooManyReplicas'],
  ['down by pods', { scaleDown: { policies: [pods(3)] } }, 10, 1, '7 ScaleDownLimit'],
  ['down by percent, rounded down', { scaleDown: { policies: [percent(25)] } }, 10, 1, '7 ScaleDownLimit'],
  ['down by the most of several', { scaleDown: { selectPolicy: 'Max', policies: [pods(3), percent(50)] } }, 10, 1, '5 ScaleDownLimit'],
  ['down by the least of several', { scaleDown: { selectPolicy: 'Min', policies: [pods(3), percent(50)] } }, 10, 1, '7 ScaleDownLimit'],
  ['not down where that is disabled', { scaleDown: { selectPolicy: 'Disabled', policies: [pods(3)] } }, 10, 1, '10 ScaleDownLimit'],
  ['down to the minimum', { scaleDown: { policies: [percent(100)] } }, 10, 0, '1 TooFewReplicas'],
]

for (const [title, behavior, current, desired, wanted] of PACE)
  test(`ScalingHistory limitBy goes ${title}`, () => {
    const { replicas, reason } = new ScalingHistory().limitBy(behavior, limits(current, desired))
    assert.equal(`${replicas} ${reason}`, wanted)
  })

test('ScalingHistory limitBy counts what was done within the period', () => {
  const behavior = { scaleUp: { policies: [pods(4)] }, scaleDown: { policies: [percent(100)] } }
  const history = new ScalingHistory()
  history.scaled(behavior, 4, 7, 0)
  const of = (current: number, now: number) => history.limitBy(behavior, limits(current, 50, now)).replicas
  assert.equal(of(7, 30_000), 8)
  history.scaled(behavior, 8, 6, 30_000)
  assert.equal(of(6, 40_000), 9)
  assert.equal(of(6, 91_000), 10)
})
