// gRPC probes: the standard health service (grpc.health.v1) must answer SERVING. The gRPC library is loaded by the first such probe.
import type { GRPCAction } from '#api/generated/types.ts'
import { hostPort } from '#lib/dial-error.ts'
import type { Outcome, ProbeTarget } from './outcome.ts'

const METHOD = '/grpc.health.v1.Health/Check'
const STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const SERVING = 1
const UNIMPLEMENTED = 12

export async function grpcProbe({ port, service = '' }: GRPCAction, target: ProbeTarget): Promise<Outcome> {
  const { Client, credentials, Metadata } = await import('@grpc/grpc-js')
  const address = hostPort({ host: target.podIp, port })
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.primary_user_agent': 'kube-probe/1.36',
    'grpc.enable_http_proxy': 0,
  })
  const timeout = `timeout: failed to connect service "${address}" within ${target.timeoutMs / 1000}s: context deadline exceeded`
  try {
    return await new Promise<Outcome>((resolve) => {
      const call = client.makeUnaryRequest(
        METHOD,
        (name: string) => encodeRequest(name),
        (bytes: Buffer) => decodeStatus(bytes),
        service,
        new Metadata(),
        {},
        (error, status) => {
          if (!error) {
            resolve(
              status === SERVING
                ? { result: 'success', output: 'service healthy' }
                : { result: 'failure', output: `service unhealthy (responded with "${STATUS[status ?? 0] ?? status}")` },
            )
          } else if (error.code === UNIMPLEMENTED) {
            resolve({
              result: 'failure',
              output: `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`,
            })
          } else if (target.signal.aborted) resolve({ result: 'failure', output: timeout })
          else resolve({ result: 'failure', output: `error: health rpc probe failed: ${error.message}` })
        },
      )
      target.signal.addEventListener('abort', () => call.cancel(), { once: true })
    })
  } finally {
    client.close()
  }
}

/** HealthCheckRequest { string service = 1 } */
function encodeRequest(service: string): Buffer {
  const text = Buffer.from(service)
  if (text.length === 0) return Buffer.alloc(0)
  const length: number[] = []
  for (let rest = text.length; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest)
    if (rest <= 0x7f) break
  }
  return Buffer.concat([Buffer.from([0x0a, ...length]), text])
}

/** HealthCheckResponse { ServingStatus status = 1 } */
function decodeStatus(bytes: Buffer): number {
  return bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0
}
