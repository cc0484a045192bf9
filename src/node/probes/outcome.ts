// What one attempt of a probe found. `warning` counts as success; `error` means it could not be carried out.

export type Outcome = { result: 'success' | 'warning' | 'failure'; output: string } | { result: 'error'; output: string }

export interface ProbeTarget {
  podIp: string
  containerId: string
  /** The container's ports, for probes that name one. */
  ports: readonly { name?: string; containerPort: number }[]
  timeoutMs: number
  /** Aborts when the time is over or the probe is no longer wanted. */
  signal: AbortSignal
}

/** Throws where a name is not among the container's ports. */
export function portOf(port: number | string, target: Pick<ProbeTarget, 'ports'>): number {
  const number = Number(port)
  if (Number.isInteger(number) && number > 0 && number < 65536) return number
  const named = target.ports.find(({ name }) => name === port)
  if (!named) throw new Error(`couldn't find port: ${JSON.stringify(port)}`)
  return named.containerPort
}

const OUTPUT_LIMIT = 10 * 1024

export function bounded(text: string): string {
  return text.length > OUTPUT_LIMIT ? text.slice(0, OUTPUT_LIMIT) : text
}
