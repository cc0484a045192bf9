// An extension server as a program of its own: `extension-server.ts HOST PORT`, and on its input one JSON document with the API server's URL and
// authority, its own token, and its serving certificate. Says `listening` once it is, and serves until it is killed.
import { text } from 'node:stream/consumers'
import { createHttpClient } from '#client/http-client.ts'
import { startExtensionServer } from '#server/aggregation/testing.ts'

const [host = '127.0.0.1', port = '443'] = process.argv.slice(2)
const { url, ca, token, serving } = JSON.parse(await text(process.stdin))
const client = createHttpClient({ url, ca, token })
await startExtensionServer({ client, serving, host, port: Number(port) })
process.stdout.write('listening\n')
