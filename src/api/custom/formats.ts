// Formats of strings that schemas of custom resources may ask for. Others are not judged, as upstream.
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { canonicalTime } from '#api/schema/go-time.ts'

const matches = (pattern: RegExp) => (text: string) => pattern.test(text)
const uuid = (version: string) => matches(new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i'))

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': isTime,
  datetime: isTime,
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && isTime(`${text}T00:00:00Z`),
  duration: matches(/^-?(\d+(\.\d*)?|\.\d+)\s*(ns|us|µs|ms|s|m|h|d|w|seconds?|minutes?|hours?|days?|weeks?)(.*)$/),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: (text) => {
    const [address = '', bits = '', more] = text.split('/')
    return more === undefined && /^\d{1,3}$/.test(bits) && isIP(address) > 0 && Number(bits) <= (isIPv4(address) ? 32 : 128)
  },
  mac: matches(/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i),
  uri: (text) => URL.canParse(text) || text.startsWith('/'),
  email: matches(/^[^\s@<>]+@[^\s@<>]+$/),
  hostname: (text) => text.length <= 255 && /^[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_]([a-z0-9_-]{0,62})?)*\.?$/i.test(text),
  uuid: uuid('[0-9a-f]'),
  uuid3: uuid('3'),
  uuid4: uuid('4'),
  uuid5: uuid('5'),
  byte: matches(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  bsonobjectid: matches(/^[0-9a-f]{24}$/i),
  hexcolor: matches(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i),
  ssn: matches(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
}

export function fitsFormat(text: string, format: string): boolean {
  return !Object.hasOwn(FORMATS, format) || FORMATS[format]!(text)
}

function isTime(text: string): boolean {
  try {
    return canonicalTime(text) !== ''
  } catch {
    return false
  }
}
