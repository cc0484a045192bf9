import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeSelectorTerm } from './generated/types.ts'
import { allowsNode, matchesNodeSelectorTerm } from './node-selector.ts'

const node = { name: 'n1', labels: { zone: 'a', cpus: '16', word: 'many' } }
const expression = (key: string, operator: string, ...values: string[]): NodeSelectorTerm => ({
  matchExpressions: [{ key, operator, ...(values.length > 0 ? { values } : {}) }],
})
const field = (key: string, operator: string, ...values: string[]): NodeSelectorTerm => ({ matchFields: [{ key, operator, values }] })

const terms: [NodeSelectorTerm, boolean][] = [
  [{}, false],
  [{ matchExpressions: [], matchFields: [] }, false],
  [expression('zone', 'In', 'b', 'a'), true],
  [expression('zone', 'In', 'b'), false],
  [expression('other', 'In', 'a'), false],
  [expression('zone', 'NotIn', 'a'), false],
  [expression('other', 'NotIn', 'a'), true],
  [expression('zone', 'Exists'), true],
  [expression('other', 'Exists'), false],
  [expression('toString', 'Exists'), false],
  [expression('other', 'DoesNotExist'), true],
  [expression('zone', 'DoesNotExist'), false],
  [expression('cpus', 'Gt', '9'), true],
  [expression('cpus', 'Gt', '16'), false],
  [expression('cpus', 'Lt', '17'), true],
  [expression('word', 'Gt', '0'), false],
  [expression('cpus', 'Gt', 'few'), false],
  [expression('zone', 'Like', 'a'), false],
  [field('metadata.name', 'In', 'n1'), true],
  [field('metadata.name', 'NotIn', 'n1'), false],
  [field('spec.name', 'In', 'n1'), false],
  [{ ...expression('zone', 'In', 'a'), ...field('metadata.name', 'In', 'n2') }, false],
]

test('matchesNodeSelectorTerm wants all of a term and matches nothing by an empty one', () => {
  for (const [term, expected] of terms) assert.equal(matchesNodeSelectorTerm(term, node), expected, JSON.stringify(term))
})

test('allowsNode wants the node selector and any one required term', () => {
  const affinity = (...nodeSelectorTerms: NodeSelectorTerm[]) => ({
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
  })
  const cases: [Parameters<typeof allowsNode>[0], boolean][] = [
    [{}, true],
    [{ nodeSelector: { zone: 'a', cpus: '16' } }, true],
    [{ nodeSelector: { zone: 'a', cpus: '8' } }, false],
    [{ affinity: affinity(expression('zone', 'In', 'b'), expression('zone', 'In', 'a')) }, true],
    [{ affinity: affinity(expression('zone', 'In', 'b')) }, false],
    [{ nodeSelector: { zone: 'b' }, affinity: affinity(expression('zone', 'In', 'a')) }, false],
  ]
  for (const [spec, expected] of cases) assert.equal(allowsNode(spec, node), expected, JSON.stringify(spec))
})
