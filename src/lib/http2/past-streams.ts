// The streams that ended last, and whose doing it was: what a peer sent before it could know is passed over, what it sends after its own end is an error.

/** Peers number their streams one after the other, so each of the last has a place of its own. */
const PLACES = 512

export class PastStreams {
  /** Negative: left by us, with the peer not at its end. */
  readonly #ids = new Int32Array(PLACES)

  add(id: number, { left }: { left: boolean }): void {
    this.#ids[place(id)] = left ? -id : id
  }

  /** `unknown`: never opened, or too long ago. */
  endOf(id: number): 'ended' | 'left' | 'unknown' {
    const known = this.#ids[place(id)]
    return known === id ? 'ended' : known === -id ? 'left' : 'unknown'
  }
}

const place = (id: number) => (id >>> 1) % PLACES
