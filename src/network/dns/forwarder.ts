// Questions that are not the cluster's go to the node's resolvers, one after the other, with a time limit each. Answers are passed on as they
// are, with the asker's id.
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import type { Clock } from '#lib/clock.ts'
import type { Random } from '#lib/random.ts'

export interface Forwarder {
  /** The upstream's answer to that message, or undefined when nobody answers. */
  forward(message: Buffer): Promise<Buffer | undefined>
}

const TIMEOUT_MS = 2000
const MOST_IN_FLIGHT = 1000

export function createForwarder({ servers, clock, random }: { servers: readonly string[]; clock: Clock; random: Random }): Forwarder {
  let inFlight = 0
  return {
    async forward(message) {
      if (inFlight >= MOST_IN_FLIGHT || message.length < 12) return undefined
      inFlight++
      try {
        for (const server of servers) {
          const answer = await ask(message, { server, clock, id: random.bytes(2).readUInt16BE(0) })
          if (answer) return answer
        }
        return undefined
      } finally {
        inFlight--
      }
    },
  }
}

/** A fresh socket and id per question: a forged answer would have to guess both. */
function ask(message: Buffer, { server, clock, id }: { server: string; clock: Clock; id: number }): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4')
    const question = Buffer.from(message)
    question.writeUInt16BE(id, 0)
    const done = (answer: Buffer | undefined) => {
      timer.cancel()
      socket.removeAllListeners()
      socket.on('error', () => {})
      socket.close()
      resolve(answer)
    }
    const timer = clock.after(TIMEOUT_MS, () => done(undefined))
    socket.on('error', () => done(undefined))
    socket.on('message', (answer) => {
      if (answer.length < 12 || answer.readUInt16BE(0) !== id) return
      const own = Buffer.from(answer)
      own.writeUInt16BE(message.readUInt16BE(0), 0)
      done(own)
    })
    // Called with an error where there is no way to that server.
    socket.connect(53, server, ((error?: Error) => (error ? done(undefined) : socket.send(question))) as () => void)
  })
}

/** Nameservers of a resolv.conf, without `own`, which would ask itself. */
export function nodeResolvers(file: string, own: string): string[] {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return [...text.matchAll(/^\s*nameserver\s+([0-9a-fA-F.:]+)\s*$/gm)].map((match) => match[1]!).filter((server) => server !== own)
}
