// A client of its own that reads one small object every few milliseconds: what others feel while the server under bench/api.ts is busy.
// Told where (`Access` and a path) it begins, and says so; told anything else it sends its times in ms and ends.
import { once } from 'node:events'
import { type Access, LoadConnection } from './http2-load.ts'

const PAUSE_MS = 2

const [{ access, path }] = (await once(process, 'message')) as [{ access: Access; path: string }]
const told = { enough: false }
process.once('message', () => (told.enough = true))
const connection = await LoadConnection.open(access)
await connection.request(path)
process.send!('reading')
const times: number[] = []
while (!told.enough) {
  const began = performance.now()
  const { status } = await connection.request(path)
  if (status !== 200) throw new Error(`answered ${status}`)
  times.push(performance.now() - began)
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
process.send!(times, () => process.exit(0))
