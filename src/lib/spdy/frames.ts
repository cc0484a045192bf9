// SPDY/3.1 frames on the wire. Data frames are handed on in pieces as they arrive, so a large frame is never held; control frames are small and
// whole. A frame that breaks the format throws: the connection cannot go on.

export const CONTROL = { synStream: 1, synReply: 2, rstStream: 3, settings: 4, ping: 6, goaway: 7, headers: 8, windowUpdate: 9 } as const
export const FIN = 1

export type Frame =
  | { kind: 'control'; type: number; flags: number; payload: Buffer }
  | { kind: 'data'; streamId: number; chunk: Buffer; fin: boolean }

const HEADER_BYTES = 8
const CONTROL_LIMIT = 128 * 1024
const VERSION = 3

export async function* readFrames(input: AsyncIterable<Buffer>): AsyncGenerator<Frame, void> {
  let held: Buffer = Buffer.alloc(0)
  let data: { streamId: number; left: number; fin: boolean } | undefined
  for await (const chunk of input) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    for (;;) {
      if (data) {
        const piece = held.subarray(0, data.left)
        if (piece.length === 0 && data.left > 0) break
        held = held.subarray(piece.length)
        data.left -= piece.length
        yield { kind: 'data', streamId: data.streamId, chunk: piece, fin: data.fin && data.left === 0 }
        if (data.left === 0) data = undefined
        continue
      }
      if (held.length < HEADER_BYTES) break
      const first = held.readUInt32BE(0)
      const flags = held[4]!
      const length = held.readUIntBE(5, 3)
      if (first < 0x80000000) {
        held = held.subarray(HEADER_BYTES)
        data = { streamId: first, left: length, fin: (flags & FIN) !== 0 }
        continue
      }
      if (((first >>> 16) & 0x7fff) !== VERSION) throw new RangeError('spdy: a frame of another version')
      if (length > CONTROL_LIMIT) throw new RangeError(`spdy: a control frame of ${length} bytes`)
      if (held.length < HEADER_BYTES + length) break
      yield { kind: 'control', type: first & 0xffff, flags, payload: held.subarray(HEADER_BYTES, HEADER_BYTES + length) }
      held = held.subarray(HEADER_BYTES + length)
    }
  }
}

export function controlFrame(type: number, flags: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE((0x80000000 + VERSION * 0x10000 + type) >>> 0)
  header.writeUInt32BE(payload.length, 4)
  header[4] = flags
  return Buffer.concat([header, payload])
}

export function dataHeader(streamId: number, length: number, fin: boolean): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(streamId)
  header.writeUInt32BE(length, 4)
  header[4] = fin ? FIN : 0
  return header
}

export function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}
