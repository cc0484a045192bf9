// Where a kind lives in URL space.
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type ObjectKey } from '#api/object.ts'
import { StatusError } from '#api/status.ts'

/** `/api/v1/namespaces/NS/pods/NAME/log`, leaving out what is not given. */
export function resourcePath(kind: Kind<any>, key: Partial<ObjectKey> = {}, subresource?: string): string {
  const root = kind.group ? `/apis/${apiVersionOf(kind)}` : `/api/${kind.version}`
  const scope = kind.scope === 'Namespaced' && key.namespace ? `/namespaces/${segment(key.namespace)}` : ''
  const name = key.name === undefined ? '' : `/${segment(key.name)}`
  const tail = subresource ? `/${subresource.split('/').map(segment).join('/')}` : ''
  return `${root}${scope}/${kind.plural}${name}${tail}`
}

/** `?a=1&b=2` of what is set, or nothing. */
export function queryText(parameters: Record<string, string | number | boolean | undefined>): string {
  const pairs = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined || value === '' || value === false ? [] : [`${name}=${encodeURIComponent(String(value))}`],
  )
  return pairs.length > 0 ? `?${pairs.join('&')}` : ''
}

function segment(text: string): string {
  if (text === '' || text === '.' || text === '..') throw new StatusError('BadRequest', `resource name may not be ${JSON.stringify(text)}`)
  return encodeURIComponent(text)
}
