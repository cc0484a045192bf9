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
  const schema: ProtoSchema = { messages: new Map(), enums: new Map(), methods: new Map() }
  const tokens = text.replaceAll(/\/\/.*$/gm, '').match(/"[^"]*"|[\w.]+|[^\s\w]/g) ?? []
  let at = 0
  let pack = ''

  const next = () => tokens[at++] ?? fail('more text')
  const expect = (...words: string[]) => {
    for (const word of words) if (next() !== word) fail(word)
  }
  const fail = (wanted: string): never => {
    throw new SyntaxError(`proto text: expected ${wanted} near ${tokens.slice(Math.max(0, at - 4), at + 1).join(' ')}`)
  }

  const enumeration = (scope: string) => {
    const byNumber = new Map<number, string>()
    const byName = new Map<string, number>()
    const name = next()
    expect('{')
    for (let word = next(); word !== '}'; word = next()) {
      expect('=')
      const number = Number(next())
      byNumber.set(number, word)
      byName.set(word, number)
      expect(';')
    }
    schema.enums.set(`${scope}.${name}`, { byNumber, byName })
  }

  const message = (scope: string) => {
    const name = `${scope}.${next()}`
    const fields: ProtoField[] = []
    expect('{')
    for (let word = next(), oneof = false; word !== '}' || oneof; word = next()) {
      if (word === '}') oneof = false
      else if (word === 'oneof') {
        next()
        expect('{')
        oneof = true
      } else if (word === 'message') message(name)
      else if (word === 'enum') enumeration(name)
      else fields.push(field(word))
    }
    schema.messages.set(name, {
      name,
      fields,
      byNumber: new Map(fields.map((one) => [one.number, one])),
      byName: new Map(fields.map((one) => [one.name, one])),
    })
  }

  const field = (word: string): ProtoField => {
    let map: { key: string } | undefined
    let type = word === 'repeated' ? next() : word
    if (type === 'map') {
      expect('<')
      map = { key: next() }
      expect(',')
      type = next()
      expect('>')
    }
    const name = next().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
    expect('=')
    const number = Number(next())
    expect(';')
    return { name, number, kind: SCALARS.has(type) ? type : '', type, repeated: word === 'repeated', ...(map ? { map } : {}) }
  }

  const service = () => {
    const name = next()
    expect('{')
    const type = () => {
      expect('(')
      let word = next()
      if (word === 'stream') word = next()
      expect(')')
      return word.includes('.') ? word : `${pack}.${word}`
    }
    for (let word = next(); word !== '}'; word = next()) {
      if (word !== 'rpc') fail('rpc')
      const method = next()
      const request = type()
      expect('returns')
      schema.methods.set(`${name}.${method}`, { path: `/${pack}.${name}/${method}`, request, response: type() })
      expect(';')
    }
  }

  while (at < tokens.length) {
    const word = next()
    if (word === 'syntax') expect('=', '"proto3"', ';')
    else if (word === 'package') {
      pack = next()
      expect(';')
    } else if (word === 'message') message(pack)
    else if (word === 'enum') enumeration(pack)
    else if (word === 'service') service()
    else fail('syntax, package, message, enum or service')
  }
  for (const one of schema.messages.values()) for (const field of one.fields) resolve(schema, one.name, field)
  return schema
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
