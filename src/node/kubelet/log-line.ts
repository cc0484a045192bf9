// One line of a container log as CRI runtimes write it: `2026-01-02T03:04:05.678901234Z stdout F text`. P marks a piece of a longer line.

export interface LogLine {
  /** As written. */
  timestamp: string
  stream: 'stdout' | 'stderr'
  partial: boolean
  /** Without the newline of the file; whether one belongs to the text follows from `partial`. */
  content: Buffer
}

const SPACE = 0x20

/** undefined for what is not such a line. */
export function parseLogLine(line: Buffer): LogLine | undefined {
  const first = line.indexOf(SPACE)
  const second = line.indexOf(SPACE, first + 1)
  if (first < 0 || second < 0) return undefined
  const third = line.indexOf(SPACE, second + 1)
  const tagsEnd = third < 0 ? line.length : third
  const stream = line.toString('latin1', first + 1, second)
  if (stream !== 'stdout' && stream !== 'stderr') return undefined
  const tags = line.toString('latin1', second + 1, tagsEnd).split(':')
  return {
    timestamp: line.toString('latin1', 0, first),
    stream,
    partial: tags[0] === 'P',
    content: line.subarray(Math.min(tagsEnd + 1, line.length)),
  }
}
