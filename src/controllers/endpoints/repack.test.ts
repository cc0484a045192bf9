import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repackSubsets } from './repack.ts'

const [a, b] = [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }]
const web = { name: 'web', port: 80 }
const admin = { name: 'admin', port: 81 }

for (const [what, subsets, repacked] of [
  [
    'gives the same addresses all of their ports in one',
    [
      { addresses: [a], ports: [web] },
      { addresses: [a], ports: [admin] },
    ],
    [{ ports: [web, admin], addresses: [a], notReadyAddresses: [] }],
  ],
  [
    'puts addresses of the same ports together',
    [
      { addresses: [a], ports: [web] },
      { notReadyAddresses: [b], ports: [web] },
    ],
    [{ ports: [web], addresses: [a], notReadyAddresses: [b] }],
  ],
  [
    'takes who is not ready in one for not ready',
    [
      { addresses: [a], ports: [web] },
      { notReadyAddresses: [a], ports: [web] },
    ],
    [{ ports: [web], addresses: [], notReadyAddresses: [a] }],
  ],
  [
    'keeps ports apart whose addresses differ',
    [
      { addresses: [a, b], ports: [web] },
      { addresses: [a], ports: [admin] },
    ],
    [
      { ports: [web], addresses: [a, b], notReadyAddresses: [] },
      { ports: [admin], addresses: [a], notReadyAddresses: [] },
    ],
  ],
  [
    'keeps addresses without ports, and no ports without addresses',
    [{ addresses: [a] }, { ports: [web] }],
    [{ ports: [], addresses: [a], notReadyAddresses: [] }],
  ],
] as const) {
  test(`repackSubsets ${what}`, () => assert.deepEqual(repackSubsets(structuredClone(subsets) as never), repacked))
}
