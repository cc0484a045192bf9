// Named formats (`format.dns1123Label().validate(name)`): what Kubernetes' own validation says of a text, if anything.
import { dns1035Label, dnsLabel, dnsSubdomain, labelValueMessages, qualifiedName } from '#api/names.ts'
import { fitsFormat } from '#api/custom/formats.ts'
import { declare, type Declaration } from '#lib/cel/functions.ts'
import { Foreign, Items, NONE, Optional, type Value } from '#lib/cel/values.ts'

const TYPE = 'kubernetes.NamedFormat'
type Messages = (text: string) => string[]

class FormatValue extends Foreign {
  readonly typeName = TYPE
  readonly name: string
  readonly messages: Messages

  constructor(name: string, messages: Messages) {
    super()
    this.name = name
    this.messages = messages
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

const FORMATS: Readonly<Record<string, Messages>> = {
  dns1123Label: dnsLabel,
  dns1123Subdomain: dnsSubdomain,
  dns1035Label,
  qualifiedName,
  dns1123LabelPrefix: prefix(dnsLabel),
  dns1123SubdomainPrefix: prefix(dnsSubdomain),
  dns1035LabelPrefix: prefix(dns1035Label),
  labelValue: labelValueMessages,
  uri: plain('uri', 'invalid URI'),
  uuid: plain('uuid', 'does not match the UUID format'),
  byte: plain('byte', 'invalid base64'),
  date: plain('date', 'invalid date'),
  datetime: plain('date-time', 'invalid datetime'),
}

const LONGEST = 10_000

function validate({ messages }: FormatValue, text: string): Value {
  const found = text.length > LONGEST ? ['too long'] : messages(text)
  return found.length === 0 ? NONE : new Optional(new Items(found))
}

export function formatFunctions(): Declaration[] {
  const values = new Map(Object.entries(FORMATS).map(([name, messages]) => [name, new FormatValue(name, messages)]))
  return [
    ...Array.from(values, ([name, value]) => declare(`format.${name}(): ${TYPE}`, () => value)),
    declare(`format.named(string): optional<${TYPE}>`, (_, name) => {
      const value = values.get(name)
      return value ? new Optional(value) : NONE
    }),
    declare(
      `${TYPE}~validate(string): optional<list<string>>`,
      (_, value, text) => validate(value, text),
      (_, text: string) => 1 + Math.ceil(text.length / 5),
    ),
  ]
}
