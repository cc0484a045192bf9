// Devices as CEL selectors see them.
import { BOOL, DYN, mapOf, STRING, Type } from './environment.ts'

const FIELDS = new Map(
  Object.entries({ driver: STRING, attributes: mapOf(STRING, DYN), capacity: mapOf(STRING, DYN), allowMultipleAllocations: BOOL }).map(
    ([key, type]) => [key, { key, type }] as const,
  ),
)

export const DEVICE = new Type('object', 'kubernetes.DRADevice', { field: (name) => FIELDS.get(name), fieldNames: () => FIELDS.keys() })
