// What the payloads of single frames say, read and written. Knows nothing of streams or of what came before.
import {
  CODE,
  ConnectionError,
  FLAG,
  FRAME,
  type Frame,
  FRAME_HEAD_BYTES,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  numberFrame,
  SETTING,
  writeFrameHead,
} from './frames.ts'

/** Nobody needs more in one frame. */
const MAX_SETTINGS = 32

/** What matters here of a peer's settings; what is not told stays as it was. */
export interface PeerSettings {
  tableBytes?: number
  window?: number
}

/** Throws ConnectionError, as all that reads here. */
export function readSettings({ bytes, start, end }: Frame): PeerSettings {
  if (end - start > MAX_SETTINGS * 6) throw new ConnectionError(CODE.enhanceYourCalm, 'too many settings')
  const told: PeerSettings = {}
  for (let at = start; at < end; at += 6) {
    const [name, value] = [bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2)]
    checkSetting(name, value)
    if (name === SETTING.headerTableSize) told.tableBytes = value
    else if (name === SETTING.initialWindowSize) told.window = value
  }
  return told
}

function checkSetting(name: number, value: number): void {
  if (name === SETTING.enablePush && value > 1) throw new ConnectionError(CODE.protocol, 'a setting that is neither 0 nor 1')
  if (name === SETTING.maxFrameSize && (value < MAX_FRAME_BYTES || value >= 2 ** 24))
    throw new ConnectionError(CODE.protocol, 'a frame size that is not allowed')
  if (name === SETTING.initialWindowSize && value > MAX_WINDOW) throw new ConnectionError(CODE.flowControl, 'a window that is too large')
}

export function settingsFrame(settings: readonly (readonly [name: number, value: number])[]): Buffer {
  const length = settings.length * 6
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + length)
  let at = writeFrameHead(frame, 0, { length, type: FRAME.settings, flags: 0, stream: 0 })
  for (const [name, value] of settings) {
    at = frame.writeUInt16BE(name, at)
    at = frame.writeUInt32BE(value, at)
  }
  return frame
}

/** To SETTINGS without a payload, or to a PING, whose payload is sent back. */
export function acknowledgement({ type, bytes, start, end }: Frame): Buffer {
  const length = type === FRAME.ping ? end - start : 0
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + length)
  writeFrameHead(frame, 0, { length, type, flags: FLAG.ack, stream: 0 })
  bytes.copy(frame, FRAME_HEAD_BYTES, start, start + length)
  return frame
}

/** Says which stream was the last to be served, and why there are no more. */
export function goAwayFrame(last: number, code: number, why: string): Buffer {
  const text = Buffer.from(why)
  const frame = Buffer.concat([numberFrame(FRAME.goAway, 0, last, code), text])
  writeFrameHead(frame, 0, { length: 8 + text.length, type: FRAME.goAway, flags: 0, stream: 0 })
  return frame
}

/** Where a payload begins and ends without its padding. */
export function unpadded({ flags, bytes, start, end }: Frame): [number, number] {
  if (!(flags & FLAG.padded)) return [start, end]
  if (start === end) throw new ConnectionError(CODE.frameSize, 'padding of nothing')
  const to = end - bytes[start]!
  if (to <= start) throw new ConnectionError(CODE.protocol, 'more padding than payload')
  return [start + 1, to]
}

/** Where the header block in HEADERS begins and ends. */
export function fragment(frame: Frame): [number, number] {
  const [start, end] = unpadded(frame)
  const from = frame.flags & FLAG.priority ? start + 5 : start
  if (from > end) throw new ConnectionError(CODE.frameSize, 'HEADERS that are too short')
  return [from, end]
}
