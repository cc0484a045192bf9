// The media types bodies come and go in, and the header they are named by.
import { StatusError } from '#api/status.ts'

export const JSON_TYPE = 'application/json'
export const YAML_TYPE = 'application/yaml'
export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf'

export type BodyFormat = 'json' | 'yaml' | 'protobuf'

const FORMATS: Record<string, BodyFormat> = { [JSON_TYPE]: 'json', [YAML_TYPE]: 'yaml', [PROTOBUF_TYPE]: 'protobuf' }

/** How a request body is written. No header means JSON. Throws UnsupportedMediaType; kinds without a protobuf form say so in `accepted`. */
export function bodyFormat(contentType: string | undefined, accepted: readonly BodyFormat[] = ['json', 'yaml', 'protobuf']): BodyFormat {
  const type = contentType ? contentType.split(';', 1)[0]!.trim().toLowerCase() : JSON_TYPE
  const format = Object.hasOwn(FORMATS, type) ? FORMATS[type]! : undefined
  if (format && accepted.includes(format)) return format
  const names = Object.keys(FORMATS).filter((name) => accepted.includes(FORMATS[name]!))
  throw new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${names.join(', ')}`,
  )
}
