// Reads the subset of proto3 text that runtime interfaces are written in: messages, enums, maps, repeated fields, oneofs, services. Field
// names become lowerCamelCase, as in protobuf's JSON mapping. Options, imports, extensions and groups are refused by name.

export interface ProtoField {
  /** lowerCamelCase. */
  name: string
  number: number
  /** A scalar, `message` or `enum`. */
  kind: string
  /** Of messages and enums: the full name. */
  type: string
  repeated: boolean
  map?: { key: string }
}

export interface ProtoMessage {
  name: string
  fields: ProtoField[]
  byNumber: Map<number, ProtoField>
  byName: Map<string, ProtoField>
}

export interface ProtoMethod {
  /** `/package.Service/Method`. */
  path: string
  request: string
  response: string
}

export interface ProtoSchema {
  messages: Map<string, ProtoMessage>
  enums: Map<string, { byNumber: Map<number, string>; byName: Map<string, number> }>
  /** Keyed `Service.Method`. */
  methods: Map<string, ProtoMethod>
}

const SCALARS = new Set(['double', 'int32', 'int64', 'uint32', 'uint64', 'bool', 'string', 'bytes', 'fixed64'])

export function parseProto(text: string): ProtoSchema {
  const { schema } = new ProtoReader(text)
  for (const one of schema.messages.values()) for (const field of one.fields) resolve(schema, one.name, field)
  return schema
}

/** Reads declaration by declaration; names of types are left as they are written. */
class ProtoReader {
  readonly schema: ProtoSchema = { messages: new Map(), enums: new Map(), methods: new Map() }
  readonly #tokens: readonly string[]
  #at = 0
  #package = ''

  constructor(text: string) {
    this.#tokens = text.replaceAll(/\/\/.*$/gm, '').match(/"[^"]*"|[\w.]+|[^\s\w]/g) ?? []
    while (this.#at < this.#tokens.length) this.#declaration(this.#next())
  }

  #next(): string {
    return this.#tokens[this.#at++] ?? this.#fail('more text')
  }

  #expect(...words: string[]): void {
    for (const word of words) if (this.#next() !== word) this.#fail(word)
  }

  #fail(wanted: string): never {
    const near = this.#tokens.slice(Math.max(0, this.#at - 4), this.#at + 1).join(' ')
    throw new SyntaxError(`proto text: expected ${wanted} near ${near}`)
  }

  #declaration(word: string): void {
    if (word === 'syntax') this.#expect('=', '"proto3"', ';')
    else if (word === 'package') {
      this.#package = this.#next()
      this.#expect(';')
    } else if (word === 'message') this.#message(this.#package)
    else if (word === 'enum') this.#enumeration(this.#package)
    else if (word === 'service') this.#service()
    else this.#fail('syntax, package, message, enum or service')
  }

  #enumeration(scope: string): void {
    const byNumber = new Map<number, string>()
    const byName = new Map<string, number>()
    const name = this.#next()
    this.#expect('{')
    for (let word = this.#next(); word !== '}'; word = this.#next()) {
      this.#expect('=')
      const number = Number(this.#next())
      byNumber.set(number, word)
      byName.set(word, number)
      this.#expect(';')
    }
    this.schema.enums.set(`${scope}.${name}`, { byNumber, byName })
  }

  #message(scope: string): void {
    const name = `${scope}.${this.#next()}`
    const fields: ProtoField[] = []
    this.#expect('{')
    for (let word = this.#next(), oneof = false; word !== '}' || oneof; word = this.#next()) {
      if (word === '}') oneof = false
      else if (word === 'oneof') {
        this.#next()
        this.#expect('{')
        oneof = true
      } else if (word === 'message') this.#message(name)
      else if (word === 'enum') this.#enumeration(name)
      else fields.push(this.#field(word))
    }
    this.schema.messages.set(name, {
      name,
      fields,
      byNumber: new Map(fields.map((one) => [one.number, one])),
      byName: new Map(fields.map((one) => [one.name, one])),
    })
  }

  #field(word: string): ProtoField {
    let map: { key: string } | undefined
    let type = word === 'repeated' ? this.#next() : word
    if (type === 'map') {
      this.#expect('<')
      map = { key: this.#next() }
      this.#expect(',')
      type = this.#next()
      this.#expect('>')
    }
    const name = this.#next().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
    this.#expect('=')
    const number = Number(this.#next())
    this.#expect(';')
    return { name, number, kind: SCALARS.has(type) ? type : '', type, repeated: word === 'repeated', ...(map ? { map } : {}) }
  }

  #service(): void {
    const name = this.#next()
    this.#expect('{')
    for (let word = this.#next(); word !== '}'; word = this.#next()) {
      if (word !== 'rpc') this.#fail('rpc')
      const method = this.#next()
      const request = this.#methodType()
      this.#expect('returns')
      this.schema.methods.set(`${name}.${method}`, { path: `/${this.#package}.${name}/${method}`, request, response: this.#methodType() })
      this.#expect(';')
    }
  }

  #methodType(): string {
    this.#expect('(')
    let word = this.#next()
    if (word === 'stream') word = this.#next()
    this.#expect(')')
    return word.includes('.') ? word : `${this.#package}.${word}`
  }
}

/** Gives a field of a named type its full name, looking outwards from the message that holds it. */
function resolve(schema: ProtoSchema, scope: string, field: ProtoField): void {
  if (field.kind) return
  const parts = scope.split('.')
  for (let length = parts.length; length >= 0; length--) {
    const name = [...parts.slice(0, length), field.type].join('.')
    if (!schema.messages.has(name) && !schema.enums.has(name)) continue
    field.kind = schema.messages.has(name) ? 'message' : 'enum'
    field.type = name
    return
  }
  throw new SyntaxError(`proto text: no type ${field.type} for ${scope}.${field.name}`)
}
