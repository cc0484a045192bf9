/** An exact copy of the value: a slice would pin the whole message it came in. */
export function ownBytes(slice: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(slice.length)
  slice.copy(own)
  return own
}
