// A server that does nothing but HTTP/2 and TLS: what LIST and WATCH could reach on this machine at most, written as the real ones write.
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { tellUsage } from './usage.ts'

const pki = await ensurePki({
  directory: process.argv[2]!,
  clock: systemClock,
  random: systemRandom,
  hostName: 'localhost',
  serviceAddress: '10.96.0.1',
})
const watchers = new Set<ServerHttp2Stream>()
const OBJECT = Buffer.alloc(4000, 'x')
const SLAB = 64 * 1024

async function list(stream: ServerHttp2Stream, size: number): Promise<void> {
  const slabs = [Buffer.allocUnsafeSlow(SLAB), Buffer.allocUnsafeSlow(SLAB)] as const
  let inFlight: Promise<void> | undefined
  for (let sent = 0, turn = 0; sent < size; turn++) {
    const slab = slabs[turn % 2 ? 1 : 0]
    let at = 0
    while (at < SLAB && sent < size) {
      const copied = OBJECT.copy(slab, at, 0, Math.min(OBJECT.length, size - sent))
      at += copied
      sent += copied
    }
    await inFlight
    inFlight = new Promise((resolve) => stream.write(slab.subarray(0, at), () => resolve()))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await inFlight
  stream.end()
}

const server = http2.createSecureServer({ key: pki.serving.key, cert: pki.serving.certificate, maxSessionMemory: 1000 })
server.on('stream', (stream, headers) => {
  stream.on('error', () => {})
  stream.respond({ ':status': 200 })
  const { pathname, searchParams } = new URL(headers[':path'] ?? '/', 'https://localhost')
  if (pathname === '/list') void list(stream, Number(searchParams.get('bytes')))
  else watchers.add(stream.on('close', () => watchers.delete(stream)))
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.send!({ url: `https://127.0.0.1:${port}`, ca: pki.authority, cert: pki.admin.certificate, key: pki.admin.key })
})
const EVENT = Buffer.from(`${'x'.repeat(550)}\n`)
tellUsage(async (message) => {
  for (let left = Number(message.split(' ')[1]); left > 0; left--) {
    for (const watcher of watchers) watcher.write(EVENT)
    await new Promise((resolve) => setImmediate(resolve))
  }
})
