import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppArmorProfile, Pod } from '#api/generated/types.ts'
import { applyAppArmorAnnotations } from './pod-app-armor.ts'

const KEY = 'container.apparmor.security.beta.kubernetes.io/c'
const WARNING = `metadata.annotations[${KEY}]: deprecated since v1.30; use the "appArmorProfile" field instead`

interface Case {
  annotation: string
  own?: AppArmorProfile
  pods?: AppArmorProfile
  windows?: true
  field: AppArmorProfile | undefined
  warned: boolean
}

const localhost = (localhostProfile: string): AppArmorProfile => ({ type: 'Localhost', localhostProfile })

const CASES: [title: string, one: Case][] = [
  ['runtime/default', { annotation: 'runtime/default', field: { type: 'RuntimeDefault' }, warned: true }],
  ['unconfined', { annotation: 'unconfined', field: { type: 'Unconfined' }, warned: true }],
  ['a profile of the node', { annotation: 'localhost/a/b', field: localhost('a/b'), warned: true }],
  ['a profile without a name', { annotation: 'localhost/', field: undefined, warned: true }],
  ['a padded name', { annotation: 'localhost/ a', field: undefined, warned: true }],
  ['nothing', { annotation: '', field: undefined, warned: true }],
  ['what the container says', { annotation: 'unconfined', own: localhost('x'), field: localhost('x'), warned: false }],
  ['what the pod says too', { annotation: 'unconfined', pods: { type: 'Unconfined' }, field: undefined, warned: false }],
  ['other than the pod', { annotation: 'unconfined', pods: localhost('x'), field: { type: 'Unconfined' }, warned: true }],
  ['windows', { annotation: 'unconfined', windows: true, field: undefined, warned: false }],
]

for (const [title, { annotation, own, pods, windows, field, warned }] of CASES)
  for (const list of ['containers', 'initContainers'] as const)
    test(`applyAppArmorAnnotations, ${list}: ${title}`, () => {
      const pod: Pod = {
        metadata: { annotations: { [KEY]: annotation } },
        spec: {
          containers: [],
          ...(windows ? { os: { name: 'windows' } } : {}),
          ...(pods ? { securityContext: { appArmorProfile: pods } } : {}),
          [list]: [{ name: 'c', ...(own ? { securityContext: { appArmorProfile: own } } : {}) }],
        },
      }
      const warnings: string[] = []
      applyAppArmorAnnotations(pod, (text) => warnings.push(text))
      assert.deepEqual(pod.spec![list]![0]!.securityContext?.appArmorProfile, field)
      assert.deepEqual(warnings, warned ? [WARNING] : [])
      applyAppArmorAnnotations(pod)
      assert.deepEqual(pod.metadata, { annotations: { [KEY]: annotation } })
    })
