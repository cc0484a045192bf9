// IPv4 addresses and ranges as numbers. Reads decimal notation without leading zeros only; knows nothing of IPv6.

/** `first` is the network's own address: the host bits of the text are dropped. */
export interface Ipv4Range {
  first: number
  size: number
  prefix: number
}

export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

/** undefined for anything but `a.b.c.d/n`. */
export function parseIpv4Range(text: string): Ipv4Range | undefined {
  const [address = '', length = '', ...more] = text.split('/')
  const number = parseIpv4(address)
  const prefix = /^\d{1,2}$/.test(length) ? Number(length) : NaN
  if (number === undefined || !(prefix <= 32) || more.length > 0) return undefined
  const size = 2 ** (32 - prefix)
  return { first: Math.floor(number / size) * size, size, prefix }
}

/** For ranges that must be ones: throws a RangeError. */
export function ipv4Range(text: string): Ipv4Range {
  const range = parseIpv4Range(text)
  if (!range) throw new RangeError(`${text} is not an IPv4 range like 10.244.0.0/16`)
  return range
}

/** The address at `offset` of the range: by convention 1 is a gateway, or the API server's own service. */
export function addressAt(cidr: string, offset: number): string {
  const { first, size } = ipv4Range(cidr)
  if (offset >= size) throw new RangeError(`${cidr} has no address number ${offset}`)
  return formatIpv4(first + offset)
}

/** The `index`th subnet of that size. */
export function subnetAt(cidr: string, prefix: number, index = 0): string {
  return `${formatIpv4(ipv4Range(cidr).first + index * 2 ** (32 - prefix))}/${prefix}`
}
