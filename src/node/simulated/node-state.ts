// What the annotations of a simulated node say of it: `lost` falls silent, as a machine that has gone; `not-ready` says so itself; it may be short of
// memory, disk or processes.
import type { Node } from '#api/generated/types.ts'
import type { Pressure } from '#node/node-status.ts'

const STATE = 'sampan.dev/node-state'
const PRESSURE = 'sampan.dev/pressure'
const STATES = ['', 'lost', 'not-ready']
const PRESSURES = ['', 'memory', 'disk', 'pid']

export interface NodeState {
  text: string
  lost: boolean
  notReady: boolean
  pressure: Pressure
  /** What is written but means nothing. */
  faults: string[]
}

export function stateOf(node: Node | undefined): NodeState {
  const { [STATE]: state = '', [PRESSURE]: pressure = '' } = node?.metadata?.annotations ?? {}
  const short = new Set(pressure.split(',').map((word) => word.trim()))
  const unknown = [...short].filter((word) => !PRESSURES.includes(word))
  return {
    text: `${state} ${pressure}`,
    lost: state === 'lost',
    notReady: state === 'not-ready',
    pressure: { memory: short.has('memory'), disk: short.has('disk'), pid: short.has('pid') },
    faults: [
      ...(STATES.includes(state) ? [] : [`${STATE}: ${JSON.stringify(state)}: say lost or not-ready`]),
      ...unknown.map((word) => `${PRESSURE}: ${JSON.stringify(word)}: say memory, disk or pid`),
    ],
  }
}
