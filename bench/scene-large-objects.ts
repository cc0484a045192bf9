// A few objects of 900 KB, and more of 20 KB, in every form that they are read in.
import { many, members, type Turns } from './turns.ts'
import { MAPS, METADATA, PROTOBUF, TABLE } from './scene-parts.ts'

const GZIP = { 'accept-encoding': 'gzip' }

export async function largeObjects(turns: Turns): Promise<void> {
  await many(3, (i) => turns.must('POST', MAPS, { metadata: { name: `wide${i}` }, data: members(900_000) }))
  await turns.request('a table of maps of 900 KB', 'GET', MAPS, '', TABLE)
  await turns.request('a table with them', 'GET', `${MAPS}?includeObject=Object`, '', TABLE)
  await turns.request('metadata of them', 'GET', MAPS, '', METADATA)
  await turns.request('protobuf of them', 'GET', MAPS, '', PROTOBUF)
  await turns.request('YAML of them', 'GET', MAPS, '', { accept: 'application/yaml' })
  await turns.request('all of them, pretty', 'GET', `${MAPS}?pretty=true`)
  await turns.request('all of them, gzip', 'GET', MAPS, '', GZIP)
  const one = `${MAPS}/wide1`
  await turns.request('a table of one', 'GET', one, '', TABLE)
  await turns.request('metadata of one', 'GET', one, '', { accept: METADATA.accept.replace('List', '') })
  await turns.request('one in protobuf', 'GET', one, '', PROTOBUF)
  await turns.request('one in YAML', 'GET', one, '', { accept: 'application/yaml' })
  await turns.request('one, pretty', 'GET', `${one}?pretty=true`)
  await turns.request('one, gzip', 'GET', one, '', GZIP)
  await turns.request('one, pretty, gzip', 'GET', `${one}?pretty=true`, '', GZIP)
  const data = members(20_000)
  await many(1000, (i) => turns.must('POST', '/api/v1/namespaces/created/configmaps', { metadata: { name: `m${i}` }, data }))
  const all = '/api/v1/namespaces/created/configmaps'
  await turns.request('1,000 of 20 KB', 'GET', all)
  await turns.request('1,000 of 20 KB, gzip', 'GET', all, '', GZIP)
  await turns.request('1,000 of 20 KB, pretty', 'GET', `${all}?pretty=true`)
  await turns.request('1,000 of 20 KB, pretty, gzip', 'GET', `${all}?pretty=true`, '', GZIP)
  await turns.request('1,000 of 20 KB in protobuf', 'GET', all, '', PROTOBUF)
  await turns.request('1,000 of 20 KB in YAML', 'GET', all, '', { accept: 'application/yaml' })
  await turns.request('a table of 1,000 of 20 KB', 'GET', all, '', TABLE)
  await turns.request('a table with 1,000 of 20 KB', 'GET', `${all}?includeObject=Object`, '', TABLE)
}
