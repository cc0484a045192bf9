// One who uses the server as one should, while others do not: a small request every few milliseconds, in a thread of its own. Tells how long each took.
import { parentPort, workerData } from 'node:worker_threads'
import { type Access, LoadConnection } from './http2-load.ts'

const connection = await LoadConnection.open(workerData as Access)
let waits: number[] = []
parentPort!.on('message', () => {
  parentPort!.postMessage(waits)
  waits = []
})
parentPort!.postMessage([])
for (;;) {
  const from = performance.now()
  await connection.request('/version')
  waits.push(performance.now() - from)
  await new Promise((resolve) => setTimeout(resolve, 5))
}
