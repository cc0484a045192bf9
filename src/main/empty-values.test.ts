import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clone } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import type { Kind } from '#api/kind.ts'
import { minimalObject } from '#api/kinds/minimal-objects.ts'
import { builtinKinds } from '#api/kinds.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import { decodeInto } from '#api/schema/decode.ts'
import type { Client } from '#client/client.ts'
import { startCluster, virtual } from './testing.ts'

/** Once these are there, little else gets through. */
const OBSTACLES = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration', 'ResourceQuota']

const stored = builtinKinds.filter((kind) => !kind.virtual && kind.verbs.includes('create') && kind.verbs.includes('list'))

async function createAll(client: Client, kinds: readonly Kind[]): Promise<void> {
  for (const kind of kinds) {
    const object = minimalObject(kind)
    const place = `${kind.group.split('.', 1)[0] || 'core'}-${kind.version}`
    object.metadata!.name = kind.kind === 'IPAddress' ? '10.96.7.7' : object.metadata!.name!.replace(/^x$/, place)
    await client.create(kind as Kind<KubeObject>, { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind })
  }
}

/** What would change if it were read as a client's typed decoder reads, and written again. */
async function differences(client: Client): Promise<unknown[]> {
  const found: unknown[] = []
  for (const kind of stored)
    for (const object of (await client.list(kind as Kind<KubeObject>)).items) {
      const again = clone(object)
      decodeInto(again, kind.schema)
      if (!equal(object, again)) found.push({ is: object, shouldBe: again })
    }
  return found
}

test('a cluster at work keeps nothing that Go would write differently', async () => {
  await using cluster = await startCluster({ nodes: 2, clock: virtual(), listen: false })
  const { client } = cluster
  const isObstacle = ({ kind }: Kind) => OBSTACLES.includes(kind)
  await createAll(
    client,
    stored.filter((kind) => !isObstacle(kind)),
  )
  await cluster.advance('6m')
  assert.deepEqual(await differences(client), [])
  await createAll(client, stored.filter(isObstacle))
  await cluster.advance('10s')
  assert.deepEqual(await differences(client), [])
})
