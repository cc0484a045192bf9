// Whether a cron schedule is well formed: five fields, the usual names, or a descriptor. When it is due is the controller's question.

const NAMES: Record<string, readonly string[]> = {
  month: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  'day of week': ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'],
}
const FIELDS: [name: string, from: number, to: number][] = [
  ['minute', 0, 59],
  ['hour', 0, 23],
  ['day of month', 1, 31],
  ['month', 1, 12],
  ['day of week', 0, 6],
]
const DESCRIPTORS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']
const DURATION = /^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)$/

/** Message of what is wrong, as the parser upstream words it; undefined when nothing is. */
export function cronScheduleMessage(schedule: string): string | undefined {
  const text = schedule.trim()
  if (text === '') return 'empty spec string'
  if (text.startsWith('@')) {
    if (DESCRIPTORS.includes(text)) return undefined
    if (!text.startsWith('@every ')) return `unrecognized descriptor: ${text}`
    const parts = text.slice('@every '.length).match(/[0-9.]+[a-zµ]+/g) ?? []
    return parts.length > 0 && parts.join('') === text.slice('@every '.length) && parts.every((part) => DURATION.test(part))
      ? undefined
      : `failed to parse duration ${text}: time: invalid duration ${JSON.stringify(text.slice('@every '.length))}`
  }
  const fields = text.split(/\s+/)
  if (fields.length !== 5) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`
  for (const [index, field] of fields.entries()) {
    const message = fieldMessage(field, FIELDS[index]!)
    if (message) return message
  }
  return undefined
}

function fieldMessage(field: string, [name, from, to]: (typeof FIELDS)[number]): string | undefined {
  for (const part of field.split(',')) {
    const [range = '', step, ...more] = part.split('/')
    if (more.length > 0) return `too many slashes: ${part}`
    if (step !== undefined && !/^[0-9]+$/.test(step))
      return `failed to parse int from ${step}: strconv.Atoi: parsing ${JSON.stringify(step)}: invalid syntax`
    if (step !== undefined && Number(step) === 0) return `step of range should be a positive number: ${part}`
    if (range === '*' || range === '?') continue
    const [low = '', high, ...rest] = range.split('-')
    if (rest.length > 0) return `too many hyphens: ${part}`
    const [start, end] = [numberOf(low, name, from), high === undefined ? undefined : numberOf(high, name, from)]
    for (const [given, value] of [
      [low, start],
      [high, end],
    ] as const)
      if (given !== undefined && value === undefined)
        return `failed to parse int from ${given}: strconv.Atoi: parsing ${JSON.stringify(given)}: invalid syntax`
    if (start! < from) return `beginning of range (${start}) below minimum (${from}): ${part}`
    if ((end ?? start)! > to) return `end of range (${end ?? start}) above maximum (${to}): ${part}`
    if (end !== undefined && start! > end) return `beginning of range (${start}) beyond end of range (${end}): ${part}`
  }
  return undefined
}

function numberOf(text: string, name: string, from: number): number | undefined {
  const named = NAMES[name]?.indexOf(text.toLowerCase()) ?? -1
  if (named >= 0) return named + from
  return /^[0-9]+$/.test(text) ? Number(text) : undefined
}
