// Fields that hold a count or a percentage of something (maxSurge, minAvailable): read and scaled.

export type IntOrString = number | string

const PERCENT = /^([0-9]+)%$/

export const isPercent = (value: unknown): value is string => typeof value === 'string' && PERCENT.test(value)

/** The number before the sign; undefined where `value` is no percentage. */
export function percentOf(value: IntOrString): number | undefined {
  const match = typeof value === 'string' ? PERCENT.exec(value) : null
  return match ? Number(match[1]) : undefined
}

/** A count as it is, a percentage scaled to `total`. Text that is neither throws RangeError. */
export function scaledValue(value: IntOrString, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value
  const percent = percentOf(value)
  if (percent === undefined) throw new RangeError('invalid value for IntOrString: invalid type: string is not a percentage')
  // Integer arithmetic: 7 % of 100 in floating point is a little over 7 and would round up to 8.
  const scaled = percent * total
  return round === 'up' ? Math.ceil(scaled / 100) : Math.floor(scaled / 100)
}

/** Upstream's resolution of a rolling update: surge rounds up, unavailable down, and both zero means one unavailable. */
export function resolveFenceposts(
  maxSurge: IntOrString | undefined,
  maxUnavailable: IntOrString | undefined,
  desired: number,
): { surge: number; unavailable: number } {
  const surge = scaledValue(maxSurge ?? 0, desired, 'up')
  const unavailable = scaledValue(maxUnavailable ?? 0, desired, 'down')
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable }
}
