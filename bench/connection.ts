// One HTTP/2 connection to a cluster by its kubeconfig, for load that must not be slowed by a client library.
import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect } from 'node:http2'
import { load } from 'js-yaml'

export interface Answer {
  status: number
  body: string
}

export interface Connection extends Disposable {
  request(method: string, path: string, body?: string): Promise<Answer>
  /** Calls back for every line of a watch. */
  watch(path: string, line: (event: any) => void): void
}

export function connectByKubeconfig(file: string): Connection {
  const config = load(readFileSync(file, 'utf8')) as any
  const pem = (text: string) => Buffer.from(text, 'base64')
  const { server, 'certificate-authority-data': ca } = config.clusters[0].cluster
  const { 'client-certificate-data': cert, 'client-key-data': key } = config.users[0].user
  // Windows as Go's client has them.
  const settings = { initialWindowSize: 4 << 20 }
  const session: ClientHttp2Session = connect(server, { ca: pem(ca), cert: pem(cert), key: pem(key), settings })
  session.on('connect', () => session.setLocalWindowSize(1 << 30))
  const open = (method: string, path: string, body?: string) => {
    const stream = session.request({
      ':method': method,
      ':path': path,
      accept: 'application/json',
      ...(body ? { 'content-type': 'application/json' } : {}),
    })
    stream.setEncoding('utf8')
    if (body) stream.end(body)
    return stream
  }
  return {
    request: (method, path, body) =>
      new Promise((resolve, reject) => {
        const stream = open(method, path, body)
        let status = 0
        let text = ''
        stream.on('response', (headers) => (status = Number(headers[':status'])))
        stream.on('data', (chunk) => (text += chunk))
        stream.on('end', () => resolve({ status, body: text }))
        stream.on('error', reject)
      }),
    watch(path, line) {
      let rest = ''
      const stream = open('GET', path)
      stream.on('data', (chunk) => {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop()!
        for (const one of lines) line(JSON.parse(one))
      })
      // As informers do; from the beginning, as they who ask do not mind to be told twice.
      stream.on('close', () => session.destroyed || this.watch(path, line))
    },
    [Symbol.dispose]: () => session.destroy(),
  }
}
