// Objects of thousands of field managers.
import { many, members, range, type Turns } from './turns.ts'
import { APPLY, MAPS, MERGE } from './scene-parts.ts'

export async function managers(turns: Turns): Promise<void> {
  const entry = (manager: string, fields: object) => ({
    manager,
    operation: 'Apply',
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:data': fields },
    time: '2026-01-01T00:00:00Z',
  })
  const managedFields = range(3000).map((i) => entry(`m${i}`, { [`f:k${i}`]: {}, 'f:shared': {} }))
  const data = { shared: 'x', ...Object.fromEntries(range(3000).map((i) => [`k${i}`, 'v'])) }
  const [managed, wide] = [`${MAPS}/managed?fieldManager=x`, `${MAPS}/wide?fieldManager=x`]
  await turns.must('POST', MAPS, { metadata: { name: 'managed' }, data })
  await turns.request('a map given 3,000 managers', 'PATCH', managed, { metadata: { managedFields } }, MERGE)
  await turns.request('an apply by one more', 'PATCH', managed, 'apiVersion: v1\nkind: ConfigMap\ndata:\n  z: "1"\n', APPLY)
  await turns.request(
    'an apply that conflicts with all',
    'PATCH',
    managed,
    'apiVersion: v1\nkind: ConfigMap\ndata:\n  shared: "1"\n',
    APPLY,
  )
  await turns.request('an update of it', 'PATCH', managed, { data: { shared: '2' } }, MERGE)
  const applied = (i: number) => `apiVersion: v1\nkind: ConfigMap\ndata:\n  own${i}: "1"\n  shared: "1"\n`
  await turns.measure(
    'applies of 1,000 managers',
    () => many(1000, (i) => turns.send('PATCH', `${MAPS}/crowd?fieldManager=m${i}`, applied(i), APPLY)),
    500,
  )
  await turns.request(
    'a forced apply against them',
    'PATCH',
    `${MAPS}/crowd?fieldManager=x&force=true`,
    applied(0).replace('"1"\n  shared: "1"', '"2"\n  shared: "2"'),
    APPLY,
  )
  // 40 managers of 50 KB of names each.
  const shares = range(40).map((i) => entry(`w${i}`, Object.fromEntries(range(2500).map((k) => [`f:k${i}-${k}`, {}]))))
  await turns.must('POST', MAPS, { metadata: { name: 'wide' }, data: Object.fromEntries(range(2500).map((k) => [`k0-${k}`, 'v'])) })
  await turns.request('a map given 2 MiB of managers', 'PATCH', wide, { metadata: { managedFields: shares } }, MERGE)
  await turns.request('an apply to it', 'PATCH', wide, 'apiVersion: v1\nkind: ConfigMap\ndata:\n  z: "1"\n', APPLY)
  await turns.request('a merge patch of it', 'PATCH', wide, { data: { z: '2' } }, MERGE)
  await turns.request('a read of it', 'GET', `${MAPS}/wide`)
  const one = [entry('m', Object.fromEntries(range(100_000).map((k) => [`f:k${k}`, {}])))]
  await turns.must('POST', MAPS, { metadata: { name: 'one' }, data: members(100_000) })
  await turns.request('a map given one manager of 100,000 fields', 'PATCH', `${MAPS}/one`, { metadata: { managedFields: one } }, MERGE)
  await turns.request('a patch of it', 'PATCH', `${MAPS}/one`, { data: { z: '2' } }, MERGE)
}
