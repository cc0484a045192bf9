// Bytes that come in pieces and are taken oldest first, or all at once. However small the pieces a peer cuts, they cost little more than their bytes.

/** Larger pieces are kept as they come. */
const SMALL_BYTES = 1024
/** So many small pieces may be kept as well: most of what comes is one or two. */
const KEPT_PIECES = 8
const SLAB_BYTES = 16 * 1024

export class ByteQueue {
  readonly #pieces: Buffer[] = []
  /** Small pieces, one behind the other: younger than all that is in `pieces`. */
  #slab: Buffer | undefined
  #filled = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  /** `bytes` are the queue's from now on. */
  add(bytes: Buffer): void {
    const { length } = bytes
    if (length === 0) return
    this.#length += length
    if (length >= SMALL_BYTES || (!this.#slab && this.#pieces.length < KEPT_PIECES)) {
      this.#seal()
      this.#pieces.push(bytes)
      return
    }
    if (this.#slab && this.#filled + length > SLAB_BYTES) this.#seal()
    this.#slab ??= Buffer.allocUnsafe(SLAB_BYTES)
    this.#filled += bytes.copy(this.#slab, this.#filled)
  }

  /** The oldest bytes, as many as lie together. */
  shift(): Buffer | undefined {
    if (this.#pieces.length === 0) this.#seal()
    const piece = this.#pieces.shift()
    this.#length -= piece?.length ?? 0
    return piece
  }

  takeAll(): Buffer {
    this.#seal()
    const pieces = this.#pieces
    const all = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, this.#length)
    this.clear()
    return all
  }

  clear(): void {
    this.#pieces.length = 0
    this.#slab = undefined
    this.#filled = 0
    this.#length = 0
  }

  #seal(): void {
    if (!this.#slab) return
    this.#pieces.push(this.#slab.subarray(0, this.#filled))
    this.#slab = undefined
    this.#filled = 0
  }
}
