// The schema of a kind: what a field is called, what it holds, how lists and maps merge. One shape for built-in kinds and CRDs.

export interface Schema {
  /** Definition name for built-in types, e.g. `io.k8s.api.core.v1.PodSpec`. */
  name?: string
  type: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'any'
  /** int32, int64, double, byte, date-time, micro-time, quantity, int-or-string. */
  format?: string
  description?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  /** Value schema of a map. */
  additionalProperties?: Schema
  enum?: unknown[]
  default?: unknown
  nullable?: boolean
  listType?: 'atomic' | 'set' | 'map'
  listMapKeys?: string[]
  mapType?: 'granular' | 'atomic'
  /** Strategic merge: merge, replace, retainKeys. */
  patchStrategy?: string[]
  patchMergeKey?: string
  preserveUnknownFields?: boolean
  embeddedResource?: boolean
  /** Keywords of custom resources that only values must obey, as published. */
  constraints?: Record<string, unknown>
}
