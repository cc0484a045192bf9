// Large objects that are recorded whole, and Secrets that are encrypted where they are kept.
import { many, members, type Turns } from './turns.ts'
import { APPLY, MAPS, MERGE, TABLE } from './scene-parts.ts'

export async function recorded(turns: Turns): Promise<void> {
  await turns.request('a map of 2.9 MB, recorded whole', 'POST', MAPS, { metadata: { name: 'a' }, data: members(2.9e6) })
  await turns.request('a map of 900 KB, recorded whole', 'POST', MAPS, { metadata: { name: 'a' }, data: members(900_000) })
  await turns.request('a read of it', 'GET', `${MAPS}/a`)
  await turns.request('a patch of it', 'PATCH', `${MAPS}/a`, { data: members(900_000) }, MERGE)
  await turns.request(
    'an apply of it',
    'PATCH',
    `${MAPS}/a?fieldManager=a&force=true`,
    { apiVersion: 'v1', kind: 'ConfigMap', data: members(900_000) },
    APPLY,
  )
  await many(5, (i) => turns.must('POST', MAPS, { metadata: { name: `b${i}` }, data: members(900_000) }))
  await turns.request('a list of six of 900 KB, recorded whole', 'GET', MAPS)
  await turns.request('a table of them', 'GET', MAPS, '', TABLE)
  const created = '/api/v1/namespaces/created/configmaps'
  await many(5000, (i) => turns.must('POST', created, { metadata: { name: `m${i}` }, data: members(2000) }))
  await turns.request('a list of 5,000 of 2 KB, recorded whole', 'GET', created)
  await turns.request('all of them gone, recorded whole', 'DELETE', MAPS)
}

export async function encrypted(turns: Turns): Promise<void> {
  const secrets = '/api/v1/namespaces/default/secrets'
  const secret = (name: string, bytes: number) => ({ metadata: { name }, stringData: members(bytes) })
  await turns.request('a Secret of 2.9 MB', 'POST', secrets, secret('large', 2.9e6))
  await turns.request('a Secret of one value of 1 MB', 'POST', secrets, {
    metadata: { name: 'one' },
    data: { a: Buffer.alloc(1e6).toString('base64') },
  })
  await turns.request('a Secret of 500 KB, encrypted', 'POST', secrets, secret('small', 500_000))
  await turns.request('a patch of it', 'PATCH', `${secrets}/small`, { stringData: { z: '1' } }, MERGE)
  await many(10_000, (i) => turns.must('POST', '/api/v1/namespaces/created/secrets', secret(`s${i}`, 4000)))
  await many(30, (i) =>
    turns.must('POST', '/api/v1/namespaces/listed/secrets', {
      metadata: { name: `l${i}` },
      data: { a: Buffer.alloc(1e6).toString('base64') },
    }),
  )
  await turns.restart('a start with 10,000 Secrets of 10 KB and 30 of 1 MB')
  await turns.request('a list of 10,000 Secrets', 'GET', '/api/v1/namespaces/created/secrets')
}
