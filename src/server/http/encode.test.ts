import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { configMap, IN_DEFAULT, startRequests } from '#server/engine/requests.ts'

const FORMS: [accept: string, query: string][] = [
  ['application/json', '?pretty=true'],
  ['application/yaml', ''],
  ['application/json;as=Table;v=v1;g=meta.k8s.io', '?includeObject=Object'],
  ['application/vnd.kubernetes.protobuf', ''],
]

test('large objects and lists of them come in every form as small ones do', async () => {
  await using f = await startRequests({ clock: createVirtualClock() })
  const text = 'x'.repeat(150_000)
  await f.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a', { text, z: 'é', y: '1' }))
  for (const [accept, query] of FORMS)
    for (const name of ['/a', '']) {
      const path = `${IN_DEFAULT}/configmaps${name}${query}`
      await f.send('PATCH merge', `${IN_DEFAULT}/configmaps/a`, { data: { text } })
      const large = Buffer.from((await f.send('GET', path, undefined, { accept })).body as Uint8Array)
      await f.send('PATCH merge', `${IN_DEFAULT}/configmaps/a`, { data: { text: 'T' } })
      const small = Buffer.from((await f.send('GET', path, undefined, { accept })).body as Uint8Array)
      assert.ok(large.length > 150_000 && small.length < 2000)
      if (accept.endsWith('protobuf')) continue
      const bare = (bytes: Buffer) =>
        String(bytes)
          .replace(text, 'T')
          .replaceAll(/(resourceVersion"?: ?)['"]\d+['"]/g, '$1""')
      if (accept.endsWith('yaml')) assert.equal(bare(large), bare(small))
      else assert.deepEqual(JSON.parse(bare(large)), JSON.parse(bare(small)))
    }
})
