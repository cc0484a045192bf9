import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { formatTime } from '#lib/clock.ts'
import { rollingUpdate } from './rolling-update.ts'

const now = Date.parse('2026-01-02T00:00:00Z')
const HASH = 'new'

function daemonSet(rollingUpdate: object, type = 'RollingUpdate'): DaemonSet {
  const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [] } }
  return { spec: { selector: {}, template, minReadySeconds: 10, updateStrategy: { type, rollingUpdate } } } as unknown as DaemonSet
}

/** `old+`: of an older template and serving; `new-`: not serving; `~`: ready, but not for long enough; `!`: on its way out. */
function pod(on: string, text: string): Pod {
  const hash = text.slice(0, 3)
  const lastTransitionTime = formatTime(text[3] === '~' ? now - 1000 : now - 60_000)
  return {
    metadata: {
      name: `${on}-${text}`,
      labels: { 'controller-revision-hash': hash },
      ...(text[3] === '!' ? { deletionTimestamp: 't' } : {}),
    },
    spec: { containers: [], nodeName: on },
    status: { conditions: [{ type: 'Ready', status: text[3] === '-' ? 'False' : 'True', lastTransitionTime }] },
  } as Pod
}

type Case = [what: string, strategy: object, nodes: Record<string, string[]>, cordoned: string[], create: string[], gone: string[]]

const one = { maxUnavailable: 1 }
const surge = { maxSurge: 1, maxUnavailable: 0 }
const cases: Case[] = [
  ['one at a time', one, { a: ['old+'], b: ['old+'] }, [], [], ['a-old+']],
  ['nobody while a new one does not serve', one, { a: ['new-'], b: ['old+'] }, [], [], []],
  ['nobody while a new one has not served long enough', one, { a: ['new~'], b: ['old+'] }, [], [], []],
  ['nobody while one is on its way out', one, { a: ['old!'], b: ['old+'] }, [], [], []],
  ['nobody while a node has none', one, { a: [], b: ['old+'] }, [], [], []],
  ['those that do not serve, and no other beside them', one, { a: ['old+'], b: ['old-'] }, [], [], ['b-old-']],
  [
    'as many as two may be missed, broken ones included',
    { maxUnavailable: 2 },
    { a: ['old+'], b: ['old-'], c: ['old+'] },
    [],
    [],
    ['b-old-', 'a-old+'],
  ],
  ['a share, rounded up', { maxUnavailable: '30%' }, { a: ['old+'], b: ['old+'], c: ['old+'], d: ['old+'] }, [], [], ['a-old+', 'b-old+']],
  ['one where neither may be missed nor surge is allowed', { maxUnavailable: 0 }, { a: ['old+'], b: ['old+'] }, [], [], ['a-old+']],
  ['those on nodes that take no new ones, too', one, { a: ['new+'], b: ['old+'] }, ['b'], [], ['b-old+']],
  ['nobody where the next one has to wait', one, { held: ['old+'], b: ['old+'] }, [], [], ['b-old+']],
  ['nobody at all where one is missed already', one, { held: [], b: ['old+'] }, [], [], []],
  ['with surge: nobody, but starts one beside where it may', surge, { held: ['old-'], held2: ['old+'], b: ['old+'] }, [], ['b'], []],
  ['with surge: nobody, but starts one beside', surge, { a: ['old+'], b: ['old+'] }, [], ['a'], []],
  ['with surge: nobody while one beside does not serve', surge, { a: ['old+', 'new-'], b: ['old+'] }, [], [], []],
  ['with surge: who is replaced, and goes on in the same pass', surge, { a: ['old+', 'new+'], b: ['old+'] }, [], ['b'], ['a-old+']],
  [
    'with surge: nobody, but starts one beside each that does not serve',
    surge,
    { a: ['old-'], b: ['old-'], c: ['old+'] },
    [],
    ['a', 'b', 'c'],
    [],
  ],
  ['with surge: who does not serve where it is not wanted', surge, { a: ['new+'], b: ['old-'] }, ['b'], [], ['b-old-']],
  ['with surge: nobody unwanted that serves before enough others do', surge, { a: ['new-'], b: ['old+'] }, ['b'], [], []],
  ['with surge: who is unwanted, once enough others serve', surge, { a: ['new+'], b: ['old+'] }, ['b'], [], ['b-old+']],
]

for (const [what, strategy, nodes, cordoned, create, gone] of cases) {
  test(`rollingUpdate lets go of ${what}`, () => {
    const world = {
      wanted: Object.keys(nodes).filter((name) => !cordoned.includes(name)),
      byNode: new Map(
        Object.entries(nodes).flatMap(([name, texts]) => (texts.length ? [[name, texts.map((text) => pod(name, text))]] : [])),
      ),
      hash: HASH,
      now,
      open: (nodes: readonly string[]) => nodes.filter((node) => !node.startsWith('held')),
    }
    const changes = rollingUpdate(daemonSet(strategy), world)
    assert.deepEqual([changes.create, changes.delete.map(({ metadata }) => metadata!.name)], [create, gone])
  })
}
