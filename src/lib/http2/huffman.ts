// Huffman code of header strings (RFC 7541, appendix B). It is canonical: the lengths say everything, and the table is made from them when first used.

const END = 256
const SHORTEST_BITS = 5

/** Length in bits of the code of every byte, in order, and last of the end: digits to the base of 36. */
const LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmnqqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu'

/** 256 numbers a level: 0 unused, negative the next level's index, else (symbol + 1) << 4 | bits used of this byte. */
let levels: Int32Array[] | undefined

/** undefined: not a code of anything, or it holds the end's own, or is not filled up as it must be. */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string | undefined {
  levels ??= makeLevels()
  // Joined letter by letter, a long text would take thirty times its size.
  const text = Buffer.allocUnsafe(Math.floor(((end - start) * 8) / SHORTEST_BITS))
  let length = 0
  let level = levels[0]!
  let held = 0
  let bits = 0
  /** Bits since the last whole symbol. */
  let since = 0
  for (let at = start; at <= end; at++) {
    // Behind the last byte what is left is shorter than one: a short code may still be in it, and ones fill the rest.
    const last = at === end
    const least = last ? 1 : 8
    if (!last) {
      held = ((held << 8) | bytes[at]!) & 0xffff
      bits += 8
      since += 8
    }
    while (bits >= least) {
      const entry = level[(bits >= 8 ? held >>> (bits - 8) : held << (8 - bits)) & 0xff]!
      if (last && (entry <= 0 || (entry & 15) > bits)) break
      if (entry === 0) return undefined
      if (entry < 0) {
        level = levels[-entry]!
        bits -= 8
        continue
      }
      const symbol = (entry >>> 4) - 1
      if (symbol === END) return undefined
      text[length++] = symbol
      bits -= entry & 15
      since = bits
      level = levels[0]!
    }
  }
  const ones = (1 << bits) - 1
  return since < 8 && level === levels[0] && (held & ones) === ones ? text.toString('latin1', 0, length) : undefined
}

function makeLevels(): Int32Array[] {
  const made = [new Int32Array(256)]
  const lengths = Array.from(LENGTHS, (digit) => Number.parseInt(digit, 36))
  const symbols = lengths.map((_, symbol) => symbol).sort((a, b) => lengths[a]! - lengths[b]! || a - b)
  let code = 0
  let last = lengths[symbols[0]!]!
  for (const symbol of symbols) {
    const length = lengths[symbol]!
    code <<= length - last
    last = length
    enter(made, { symbol, code, length })
    code++
  }
  return made
}

function enter(made: Int32Array[], { symbol, code, length }: { symbol: number; code: number; length: number }): void {
  let level = made[0]!
  let left = length
  for (; left > 8; left -= 8) {
    const byte = (code >>> (left - 8)) & 0xff
    if (level[byte] === 0) {
      level[byte] = -made.length
      made.push(new Int32Array(256))
    }
    level = made[-level[byte]!]!
  }
  const first = (code << (8 - left)) & 0xff
  level.fill(((symbol + 1) << 4) | left, first, first + (1 << (8 - left)))
}
