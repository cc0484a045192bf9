// Tens of thousands of small objects: selected, shown, watched, deleted.
import { many, range, type Turns } from './turns.ts'
import { PROTOBUF, TABLE } from './scene-parts.ts'

const MAPS = '/api/v1/namespaces/created/configmaps'
const PODS = '/api/v1/namespaces/listed/pods'
const LIST = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=20'

export async function crowds(turns: Turns): Promise<void> {
  const get = (name: string, path: string, headers: Record<string, string> = {}) =>
    turns.measure(name, () => turns.send('GET', path, '', headers), 2000)
  const fill = () => many(10_000, (i) => turns.must('POST', MAPS, { metadata: { name: `m${i}`, labels: { a: `v${i}` } } }))
  await fill()
  const values = `a in (${range(5000).map((i) => `v${i * 2}`)})`
  await get('a list of 10,000 by 5,000 values', `${MAPS}?labelSelector=${encodeURIComponent(values)}`)
  const terms = range(2000).map((i) => `a!=x${i}`)
  await get('a list of 10,000 by 2,000 terms', `${MAPS}?labelSelector=${encodeURIComponent(`${terms}`)}`)
  await turns.measure('deletecollection of 10,000', () => turns.send('DELETE', MAPS), 3000)
  await fill()
  const terminating = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Foreground' }
  await turns.measure('deletecollection of 10,000 that waits for dependents', () => turns.send('DELETE', MAPS, terminating), 3000)
  const env = range(40).map((i) => ({ name: `E${i}`, value: 'some value' }))
  await turns.must('POST', PODS, { metadata: { name: 'seed' }, spec: { containers: [{ name: 'c', image: 'i', env }] } })
  await turns.ask('fill 100000')
  for (const query of [
    'fieldSelector=spec.nodeName%3Dx',
    'labelSelector=a%3Db',
    'fieldSelector=status.phase%3DRunning&limit=500',
    'limit=500',
  ])
    await get(`a list of 100,000 pods by ${query}`, `${PODS}?${query}`)
  await get('a list of 100,000 pods', PODS)
  await get('a table of 100,000 pods', PODS, TABLE)
  await get('100,000 pods in protobuf', PODS, PROTOBUF)
  await get('100,000 pods, gzip', PODS, { 'accept-encoding': 'gzip' })
  await get('a watch list of 100,000 pods', `${PODS}?${LIST}`)
  await get('a watch list of 100,000 pods of a node', `${PODS}?${LIST}&fieldSelector=spec.nodeName%3Dx`)
  await turns.measure('a namespace of 100,000 pods is deleted', () => turns.send('DELETE', '/api/v1/namespaces/listed'), 3000)
}
