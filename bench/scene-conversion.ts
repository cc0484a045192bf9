// Custom resources that a stranger converts: lists of them, patches and applies of large ones.
import { startStranger } from '#server/outgoing/testing.ts'
import { many, members, pause, type Turns } from './turns.ts'
import { APPLY, definition, DEFINITIONS, MERGE, OPEN } from './scene-parts.ts'

const at = (version: string) => `/apis/c.example/${version}/namespaces/default/turns`

export async function conversion(turns: Turns): Promise<void> {
  await using stranger = await startStranger(({ body }) => {
    const { request, apiVersion } = JSON.parse(body)
    const convertedObjects = request.objects.map((one: object) => ({ ...one, apiVersion: request.desiredAPIVersion }))
    return { kind: 'ConversionReview', apiVersion, response: { uid: request.uid, result: { status: 'Success' }, convertedObjects } }
  })
  const versions = ['v1', 'v2'].map((name, i) => ({ name, served: true, storage: i === 0, schema: { openAPIV3Schema: OPEN } }))
  const clientConfig = { url: `${stranger.url}/c`, caBundle: stranger.caBundle }
  const more = { versions, conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig } } }
  await turns.must('POST', DEFINITIONS, definition({ group: 'c.example', plural: 'turns', schema: OPEN, more }))
  await pause(500)
  const turn = (name: string, bytes: number) => ({
    apiVersion: 'c.example/v1',
    kind: 'Turn',
    metadata: { name },
    data: members(bytes),
  })
  await many(500, (i) => turns.must('POST', at('v1'), turn(`t${i}`, 8000)))
  await turns.request('a list of 500 of 8 KB that a webhook converts', 'GET', at('v2'))
  await turns.request('the same list', 'GET', at('v2'))
  await many(20, (i) => turns.must('POST', at('v1'), turn(`l${i}`, 500_000)))
  await turns.request('a list with 20 of 500 KB that a webhook converts', 'GET', at('v2'))
  await turns.must('POST', at('v1'), turn('big', 900_000))
  await turns.request('a patch of 900 KB that a webhook converts', 'PATCH', `${at('v2')}/big`, { data: { z: '1' } }, MERGE)
  const text = JSON.stringify({ ...turn('big', 900_000), apiVersion: 'c.example/v2' })
  for (const [name, fieldManager] of Object.entries({ 'an apply': 'a', 'the same apply': 'a', 'an apply by another': 'b' }))
    await turns.request(
      `${name} of 900 KB that a webhook converts`,
      'PATCH',
      `${at('v2')}/big?force=true&fieldManager=${fieldManager}`,
      text,
      APPLY,
    )
  const older = JSON.stringify({ ...turn('big', 0), apiVersion: 'c.example/v1', data: { z: '2' } })
  await turns.request('an apply at the version before', 'PATCH', `${at('v1')}/big?force=true&fieldManager=b`, older, APPLY)
  await turns.request('all of them gone', 'DELETE', at('v2'))
}
