// Arithmetic on IPv4 ranges.

export interface Range {
  base: number
  bits: number
}

/** Throws a RangeError for anything but `a.b.c.d/n`. */
export function parseCidr(text: string): Range {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text)
  const parts = (match ?? []).slice(1).map(Number)
  const bits = parts[4] ?? 33
  if (!match || bits > 32 || parts.slice(0, 4).some((part) => part > 255))
    throw new RangeError(`${text} is not an IPv4 range like 10.244.0.0/16`)
  const address = ((parts[0]! << 24) | (parts[1]! << 16) | (parts[2]! << 8) | parts[3]!) >>> 0
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
  return { base: (address & mask) >>> 0, bits }
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')
}

/** The address at `offset` of the range: 1 is the gateway by convention. */
export function addressAt(cidr: string, offset: number): string {
  return formatAddress((parseCidr(cidr).base + offset) >>> 0)
}

/** The `index`th subnet of that size. */
export function subnetOf(cidr: string, bits: number, index = 0): string {
  return `${formatAddress((parseCidr(cidr).base + index * 2 ** (32 - bits)) >>> 0)}/${bits}`
}
