// One JSON line per event. Loggers are passed, never imported as a global; a child carries the fields of its parent.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Record<string, unknown>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  child(fields: LogFields): Logger
}

const LEVELS: LogLevel[] = ['debug', 'info', 'warn', 'error']

export function createLogger(options: { write(line: string): void; now(): number; level?: LogLevel; fields?: LogFields }): Logger {
  const floor = LEVELS.indexOf(options.level ?? 'info')
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (LEVELS.indexOf(level) < floor) return
    const time = new Date(options.now()).toISOString()
    options.write(`${JSON.stringify({ time, level, ...options.fields, message, ...plain(fields) })}\n`)
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => createLogger({ ...options, fields: { ...options.fields, ...fields } }),
  }
}

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
}

function plain(fields: LogFields | undefined): LogFields {
  const out: LogFields = {}
  for (const [key, value] of Object.entries(fields ?? {})) out[key] = value instanceof Error ? (value.stack ?? value.message) : value
  return out
}
