// Passes on what one side says to the other, whatever becomes of the one: what has been heard is said, then the other is ended, and closed once the
// one is. Piece by piece, as it comes: who waits for a connection does not see what arrives in one TLS record with what it has read.
import type { Duplex, Readable } from 'node:stream'

/** Heard, but not yet said; beyond it nobody listens. */
const MOST_BYTES = 256 * 1024

export function passOn(from: Readable, to: Duplex): void {
  const pieces: Buffer[] = []
  let [bytes, saying, ended, closed] = [0, false, false, false]
  const next = () => {
    if (saying || to.destroyed) return
    const piece = pieces.shift()
    if (!piece) {
      if (closed) to.end(() => to.destroy())
      else if (ended) to.end()
      return
    }
    saying = true
    to.write(piece, () => {
      saying = false
      bytes -= piece.length
      if (bytes <= MOST_BYTES) from.resume()
      next()
    })
  }
  from.on('data', (piece: Buffer) => {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > MOST_BYTES) from.pause()
    next()
  })
  from.on('end', () => {
    ended = true
    next()
  })
  from.on('close', () => {
    closed = true
    next()
  })
  from.on('error', () => {})
}
