import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import { type LabelOperator, matchesLabels, type Selector } from '#api/label-selector.ts'
import { seededRandom } from '#lib/random.ts'
import { MatchCounts } from './match-counts.ts'
import { NodeInfo } from './node-info.ts'
import { pickerOf } from './scenes.ts'
import { podOf } from './testing.ts'

test('MatchCounts counts as looking at every pod would, whatever the selectors ask for', () => {
  const pick = pickerOf(seededRandom(3))
  const nodes = ['a', 'b', 'c'].map((name) => new NodeInfo(name))
  const require = (key: string, operator: LabelOperator, ...values: string[]) => ({ key, operator, values })
  const selectors: Selector[] = [
    { requirements: [] },
    { requirements: [require('app', '=', 'web')] },
    { requirements: [require('app', 'in', 'web')] },
    { requirements: [require('app', 'in', 'web', 'db')] },
    { requirements: [require('app', 'exists'), require('tier', '=', 'front')] },
    { requirements: [require('tier', '!=', 'front')] },
    { requirements: [require('app', '!'), require('tier', 'notin', 'back')] },
    { requirements: [], nothing: true },
  ]
  // Few selectors at first: later ones meet pods that were there before them.
  const counts = new MatchCounts()
  const there: { info: { pod: Pod }; node: NodeInfo }[] = []
  for (let i = 0; i < 400; i++) {
    if (there.length > 0 && pick([1, 2, 3]) === 1) {
      const [gone] = there.splice(Math.floor(there.length / 2), 1)
      counts.change(gone!, -1)
    } else {
      const labels = { ...pick([{}, { app: 'web' }, { app: 'db' }]), ...pick([{}, { tier: 'front' }, { tier: 'back' }]) }
      const one = { info: { pod: podOf(`p${i}`, { labels, namespace: pick(['x', 'y']) }) }, node: pick(nodes) }
      there.push(one)
      counts.change(one, 1)
    }
    const selector = pick(selectors.slice(0, 1 + Math.floor(i / 50)))
    const namespace = pick(['x', 'y'])
    const expected = there.filter(
      ({ info: { pod } }) => pod.metadata!.namespace === namespace && matchesLabels(selector, pod.metadata!.labels) && !selector.nothing,
    )
    const found = counts.of(
      namespace,
      selector,
      there.filter(({ info: { pod } }) => pod.metadata!.namespace === namespace),
    )
    for (const node of nodes) assert.equal(found.get(node) ?? 0, expected.filter((one) => one.node === node).length)
  }
})
