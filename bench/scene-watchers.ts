// Many watchers of large objects.
import { Agent, request } from 'node:https'
import { members, pause, type Turns } from './turns.ts'
import { MAPS, MERGE, METADATA, TABLE } from './scene-parts.ts'

const BIG = `${MAPS}?watch=1&fieldSelector=metadata.name%3Dbig&allowWatchBookmarks=true`

/** Ends when disposed of. */
function watching(turns: Turns, path: string, { count, headers = {} }: { count: number; headers?: Record<string, string> }): Disposable {
  const { url, ca, cert, key } = turns.access
  const agent = new Agent({ keepAlive: false, maxSockets: 2000 })
  const open = Array.from({ length: count }, () => {
    const sent = request(`${url}${path}`, { ca, cert, key, agent, headers })
    sent.on('error', () => {})
    sent.on('response', (answer) => answer.on('error', () => {}).resume())
    sent.end()
    return sent
  })
  return { [Symbol.dispose]: () => open.forEach((one) => one.destroy()) }
}

export async function watchers(turns: Turns): Promise<void> {
  await turns.must('POST', MAPS, { metadata: { name: 'big' }, data: { x: 'y'.repeat(900_000) } })
  const change = (i: number) => turns.send('PATCH', `${MAPS}/big`, { metadata: { labels: { a: `b${i}` } } }, MERGE)
  {
    let watchers: Disposable | undefined
    await turns.measure(
      '300 that begin to watch 900 KB',
      async () => void (watchers = watching(turns, `${BIG}&resourceVersion=0`, { count: 300 })),
      15_000,
    )
    await turns.measure('a change of 900 KB with 300 watchers', () => change(1), 15_000)
    watchers![Symbol.dispose]()
    await pause(1000)
  }
  for (const [form, headers] of Object.entries({ Table: TABLE, PartialObjectMetadata: METADATA })) {
    const accept = headers.accept.replace('PartialObjectMetadataList', 'PartialObjectMetadata')
    using _watchers = watching(turns, BIG, { count: 1000, headers: { accept } })
    await pause(8000)
    await turns.measure(`a change of 900 KB with 1,000 watchers of its ${form}`, () => change(2), 5000)
    await turns.must('PUT', `${MAPS}/big`, { metadata: { name: 'big' }, data: members(900_000) })
    await pause(3000)
    await turns.measure(`a change of 50,000 members with 1,000 watchers of its ${form}`, () => change(3), 5000)
    await turns.must('PUT', `${MAPS}/big`, { metadata: { name: 'big' }, data: { x: 'y'.repeat(900_000) } })
  }
  await pause(1000)
  {
    using _watchers = watching(turns, BIG, { count: 1000 })
    await pause(8000)
    await turns.measure('a change of 900 KB with 1,000 watchers', () => change(4), 30_000)
  }
  await pause(2000)
}
