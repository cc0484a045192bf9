// IPv4 ranges as numbers. Network and broadcast address are never given out.

export interface AddressRange {
  cidr: string
  /** First address that may be given out. */
  first: number
  /** How many may. */
  size: number
}

export function parseRange(cidr: string): AddressRange | undefined {
  const [address = '', bits = ''] = cidr.split('/')
  const network = parseAddress(address)
  const prefix = /^\d{1,2}$/.test(bits) ? Number(bits) : NaN
  if (network === undefined || !(prefix <= 32)) return undefined
  const addresses = 2 ** (32 - prefix)
  const aligned = Math.floor(network / addresses) * addresses
  return { cidr, first: aligned + 1, size: Math.max(0, addresses - 2) }
}

export function parseAddress(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

/** The n-th address of a range: 1 is the API server's, 10 the DNS service's. */
export function nthAddress(cidr: string, n: number): string {
  const range = parseRange(cidr)
  if (!range || n > range.size) throw new RangeError(`${cidr} has no address number ${n}`)
  return formatAddress(range.first + n - 1)
}
