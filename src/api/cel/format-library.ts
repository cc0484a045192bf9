// Named formats (`format.dns1123Label().validate(name)`): what Kubernetes' own validation says of a text, if anything.
import { dns1035Label, dnsLabel, dnsSubdomain, labelValueMessages, qualifiedName } from '#api/names.ts'
import { uriMessages } from './url-library.ts'
import { fitsFormat } from '#api/custom/formats.ts'
import { declare, type Declaration } from '#lib/cel/functions.ts'
import { Foreign, Items, NONE, Optional, type Value } from '#lib/cel/values.ts'

const TYPE = 'kubernetes.NamedFormat'
type Messages = (text: string) => string[]

interface Format {
  messages: Messages
  pattern: number
}

class FormatValue extends Foreign {
  readonly typeName = TYPE
  readonly name: string
  readonly messages: Messages
  /** How long the pattern is that it is held to: what reading costs. */
  readonly pattern: number

  constructor(name: string, { messages, pattern }: Format) {
    super()
    this.name = name
    this.messages = messages
    this.pattern = pattern
  }

  override equals({ name }: FormatValue): boolean {
    return this.name === name
  }
}

/** Of a name to be completed: a hyphen may end it. */
const prefix =
  (messages: Messages): Messages =>
  (text) =>
    messages(text.endsWith('-') ? `${text.slice(0, -1)}a` : text)
const plain =
  (format: string, message: string): Messages =>
  (text) =>
    fitsFormat(text, format) ? [] : [message]

const FORMATS: Readonly<Record<string, Format>> = {
  dns1123Label: { messages: dnsLabel, pattern: 30 },
  dns1123Subdomain: { messages: dnsSubdomain, pattern: 60 },
  dns1035Label: { messages: dns1035Label, pattern: 30 },
  qualifiedName: { messages: qualifiedName, pattern: 60 },
  dns1123LabelPrefix: { messages: prefix(dnsLabel), pattern: 30 },
  dns1123SubdomainPrefix: { messages: prefix(dnsSubdomain), pattern: 60 },
  dns1035LabelPrefix: { messages: prefix(dns1035Label), pattern: 30 },
  labelValue: { messages: labelValueMessages, pattern: 40 },
  // The patterns of the rest are about as long.
  uri: { messages: uriMessages, pattern: 1250 },
  uuid: { messages: plain('uuid', 'does not match the UUID format'), pattern: 90 },
  byte: { messages: plain('byte', 'invalid base64'), pattern: 90 },
  date: { messages: plain('date', 'invalid date'), pattern: 75 },
  datetime: { messages: plain('date-time', 'invalid datetime'), pattern: 75 },
}

const LONGEST = 10_000

function validate({ messages }: FormatValue, text: string): Value {
  const found = text.length > LONGEST ? ['too long'] : messages(text)
  return found.length === 0 ? NONE : new Optional(new Items(found))
}

export function formatFunctions(): Declaration[] {
  const values = new Map(Object.entries(FORMATS).map(([name, format]) => [name, new FormatValue(name, format)]))
  return [
    ...Array.from(values, ([name, value]) => declare(`format.${name}(): ${TYPE}`, () => value)),
    declare(`format.named(string): optional<${TYPE}>`, (_, name) => {
      const value = values.get(name)
      return value ? new Optional(value) : NONE
    }),
    declare(
      `${TYPE}~validate(string): optional<list<string>>`,
      (_, value, text) => validate(value, text),
      ({ pattern }: FormatValue, text: string) => Math.ceil((text.length + 1) / 10) * Math.ceil(pattern / 4),
    ),
  ]
}
