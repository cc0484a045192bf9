// An extender for tests: a small HTTP server that answers as it is told and keeps what it was asked.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/** A number is a code, a text goes out as it is, undefined never answers. */
export type Answer = (verb: string, args: any) => unknown

export async function startExtender(t: TestContext, answer: Answer): Promise<{ url: string; asked: { verb: string; args: any }[] }> {
  const asked: { verb: string; args: any }[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const args = JSON.parse(String(Buffer.concat(parts)))
    const verb = request.url!.slice('/x/'.length)
    asked.push({ verb, args })
    const said = await answer(verb, args)
    if (said === undefined) return
    response.writeHead(typeof said === 'number' ? said : 200).end(typeof said === 'string' ? said : JSON.stringify(said))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`, asked }
}
