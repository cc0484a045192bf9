// Which of the forms we speak a client wants: JSON, YAML or protobuf, of the object itself, a Table or its metadata only.
import { StatusError } from '#api/status.ts'
import { clauses } from '#lib/accept.ts'

export type Format = 'json' | 'yaml' | 'protobuf'

export interface Negotiated {
  format: Format
  as?: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'
  /** Version of meta.k8s.io asked for with `as`. */
  metaVersion: 'v1' | 'v1beta1'
}

const FORMATS: Record<string, Format> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
  'application/*': 'json',
  '*/*': 'json',
}

export const CONTENT_TYPES: Record<Format, string> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
}

const PLAIN: Negotiated = { format: 'json', metaVersion: 'v1' }
const TRANSFORMS = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'])

export interface NegotiateOptions {
  /** Formats that can be produced here; JSON and YAML unless said. */
  formats?: readonly Format[]
  /** Whether Table and PartialObjectMetadata are on offer. */
  transforms?: boolean
}

/** The first form the client names that can be made here. */
export function negotiate(
  accept: string | undefined,
  { formats = ['json', 'yaml'], transforms = false }: NegotiateOptions = {},
): Negotiated {
  if (!accept || accept === 'application/json' || accept === '*/*') return PLAIN
  for (const { type, parameters } of clauses(accept)) {
    const format = FORMATS[type]
    if (!format || !formats.includes(format)) continue
    const as = parameters.get('as')
    if (as === undefined) {
      // A profile we do not know (aggregated discovery on an object) is not this one.
      if (parameters.has('g') || parameters.has('v')) continue
      return { format, metaVersion: 'v1' }
    }
    const version = parameters.get('v')
    if (!transforms || !TRANSFORMS.has(as) || parameters.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) continue
    // Rows of a Table have no form in protobuf.
    if (format === 'protobuf' && as === 'Table') continue
    return { format, as: as as NonNullable<Negotiated['as']>, metaVersion: version }
  }
  throw notAcceptable(formats)
}

function notAcceptable(formats: readonly Format[]): StatusError {
  const accepted = formats.map((format) => CONTENT_TYPES[format]).join(', ')
  return new StatusError('NotAcceptable', `only the following media types are accepted: ${accepted}`)
}
