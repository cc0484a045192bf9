// The fields that both sides of HPACK (RFC 7541) know from the start, and the bounded table of those they have named since.

export interface Field {
  readonly name: string
  readonly value: string
}

/** Appendix A, from index 1 on: names with the values that have an index of their own. */
const KNOWN = `:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|:status 206|:status 304|\
:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|\
allow|authorization|cache-control|content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|\
cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|\
max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|strict-transport-security|transfer-encoding|\
user-agent|vary|via|www-authenticate`

export const STATIC_FIELDS: readonly Field[] = KNOWN.split('|').map((text) => {
  const [name = '', ...value] = text.split(' ')
  return { name, value: value.join(' ') }
})

/** The size a table starts with and never passes here. */
export const TABLE_BYTES = 4096
const ENTRY_BYTES = 32

export const sizeOf = (name: string, value: string): number => name.length + value.length + ENTRY_BYTES

/** What was named last comes first; what is beyond the size is forgotten, oldest first. */
export class FieldTable {
  /** Oldest first. */
  readonly #fields: Field[] = []
  #bytes = 0
  #limit = TABLE_BYTES
  readonly #forgotten: ((field: Field) => void) | undefined

  constructor(forgotten?: (field: Field) => void) {
    this.#forgotten = forgotten
  }

  get limit(): number {
    return this.#limit
  }

  set limit(bytes: number) {
    this.#limit = bytes
    this.#shrink(bytes)
  }

  /** `index` as it is sent, from 1 on. */
  at(index: number): Field | undefined {
    return index <= STATIC_FIELDS.length ? STATIC_FIELDS[index - 1] : this.#fields[this.#fields.length - (index - STATIC_FIELDS.length)]
  }

  /** False: it is larger than the whole table, which is empty then. */
  add(field: Field): boolean {
    const bytes = sizeOf(field.name, field.value)
    this.#shrink(this.#limit - bytes)
    if (bytes > this.#limit) return false
    this.#fields.push(field)
    this.#bytes += bytes
    return true
  }

  #shrink(bytes: number): void {
    while (this.#bytes > bytes && this.#fields.length > 0) {
      const field = this.#fields.shift()!
      this.#bytes -= sizeOf(field.name, field.value)
      this.#forgotten?.(field)
    }
  }
}
