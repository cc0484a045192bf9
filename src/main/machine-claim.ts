// The machine's network belongs to one real node at a time: bridge, pod range and service table have fixed names. The claim is an abstract
// socket, which the kernel keeps for each network namespace and frees when its holder dies, however that happens.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { CommandError } from '#cli/errors.ts'

const NAME = '\0sampan-real-node'

/** The claim, given back when disposed; undefined when another process holds it. */
export async function claimMachine(name = NAME): Promise<AsyncDisposable | undefined> {
  const server = createServer((socket) => socket.destroy())
  server.listen(name)
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
  server.unref()
  return {
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

export const machineTaken = (): CommandError =>
  new CommandError(
    'another instance runs a real node on this machine, and there is room for one. Stop it with `sampan down`, or use --nodes simulated with another --port.',
  )
