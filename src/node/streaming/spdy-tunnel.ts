// SPDY clients speak what the runtime's streaming server speaks: after both upgrades their bytes pass through untouched.
import type { Clock } from '#lib/clock.ts'
import { http } from '#lib/node-http.ts'
import { passOn } from '#lib/pass-on.ts'
import { endWhenIdle } from './idle.ts'
import { refuseUpgrade, type Upgrade } from './upgrade.ts'

const ANSWER_LIMIT = 64 * 1024

export function tunnelSpdy(upgrade: Upgrade, { url, clock }: { url: string; clock: Clock }): void {
  const { request, socket, head } = upgrade
  socket.on('error', () => {})
  const onward = http.request(url, {
    method: 'POST',
    agent: false,
    headers: {
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      'content-length': 0,
      'x-stream-protocol-version': request.headersDistinct['x-stream-protocol-version'] ?? [],
    },
  })
  socket.once('close', () => onward.destroy())
  onward.on('error', (error) => refuseUpgrade(upgrade, 500, error.message))
  onward.on('response', (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      if (text.length < ANSWER_LIMIT) text += chunk
    })
    response.on('end', () => refuseUpgrade(upgrade, response.statusCode ?? 500, text))
  })
  onward.on('upgrade', (response, runtime, early) => {
    const lines = ['HTTP/1.1 101 Switching Protocols']
    for (let i = 0; i < response.rawHeaders.length; i += 2) lines.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`)
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    if (early.length > 0) socket.write(early)
    if (head.length > 0) runtime.write(head)
    endWhenIdle(socket, { clock })
    socket.pipe(runtime)
    socket.on('close', () => runtime.destroy())
    passOn(runtime, socket)
  })
  onward.end()
}
