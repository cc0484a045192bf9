import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import type { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { NodeInfo } from '#scheduler/node-info.ts'
import { claimOf, volumeOf } from '#scheduler/testing.ts'
import { suitableVolume } from './matching.ts'

const claim = claimOf('data', {
  resources: { requests: { storage: '1Gi' } },
  selector: { matchLabels: { tier: 'a' } },
}) as PersistentVolumeClaim
const volume = (name: string, spec: object, labels?: Record<string, string>) => volumeOf(name, spec, labels) as PersistentVolume
const large = { capacity: { storage: '2Gi' } }

test('suitableVolume takes the volume set aside for the claim, of whatever class and labels, and none set aside for others', () => {
  const own = volume('own', { ...large, storageClassName: 'other', claimRef: { namespace: 'default', name: 'data' } })
  const foreign = volume('foreign', { ...large, claimRef: { namespace: 'default', name: 'x' } }, { tier: 'a' })
  const unlabelled = volume('unlabelled', large)
  const free = volume('free', large, { tier: 'a' })
  const chosen = (...volumes: PersistentVolume[]) =>
    suitableVolume(claim, volumes, { node: new NodeInfo('n'), taken: () => false })?.metadata?.name
  assert.equal(chosen(free, own), 'own')
  assert.equal(chosen(foreign, unlabelled, free), 'free')
  assert.equal(chosen(foreign, unlabelled), undefined)
  const nodeAffinity = { required: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['m'] }] }] } }
  assert.equal(chosen(free, { ...own, spec: { ...own.spec!, nodeAffinity } }), undefined)
  assert.equal(chosen({ ...own, spec: { ...own.spec!, capacity: { storage: '1Mi' } } }), undefined)
})
