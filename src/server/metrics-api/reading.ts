// What was measured of a pod or a node during a window, whoever measured it.

export interface Amounts {
  cpuNanoCores: number
  memoryBytes: number
}

export interface Window {
  /** Epoch milliseconds of its end. */
  timestamp: number
  windowMs: number
}

export type NodeReading = Window & Amounts

export interface PodReading extends Window {
  containers: ({ name: string } & Amounts)[]
}

/** Of pods that are measured together, by `namespace/name`. */
export interface PodReadings extends Window {
  pods: ReadonlyMap<string, PodReading['containers']>
}

/** How often usage is read, as metrics-server does it. */
export const RESOLUTION_MS = 15_000
