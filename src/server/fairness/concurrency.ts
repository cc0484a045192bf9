// How the server's seats are shared out among priority levels: nominally by shares, and every ten seconds by what each wants, within what it lends and borrows.
import type { PriorityLevelConfigurationSpec } from '#api/generated/types.ts'

export interface SeatBounds {
  nominal: number
  /** What is left when everything lendable is lent. */
  least: number
  most: number
}

export function sharesOf({ type, limited, exempt }: PriorityLevelConfigurationSpec): {
  shares: number
  lendable: number
  borrowing?: number
} {
  if (type === 'Exempt') return { shares: exempt?.nominalConcurrencyShares ?? 0, lendable: exempt?.lendablePercent ?? 0 }
  const { nominalConcurrencyShares = 30, lendablePercent = 0, borrowingLimitPercent } = limited ?? {}
  return {
    shares: nominalConcurrencyShares,
    lendable: lendablePercent,
    ...(borrowingLimitPercent === undefined || borrowingLimitPercent === null ? {} : { borrowing: borrowingLimitPercent }),
  }
}

export function boundsOf(spec: PriorityLevelConfigurationSpec, { seats, allShares }: { seats: number; allShares: number }): SeatBounds {
  const { shares, lendable, borrowing } = sharesOf(spec)
  const nominal = allShares === 0 ? 0 : Math.ceil((seats * shares) / allShares)
  const least = nominal - Math.round((nominal * lendable) / 100)
  const most = borrowing === undefined ? Math.max(seats, nominal) : nominal + Math.round((nominal * borrowing) / 100)
  return { nominal, least, most }
}

/** Demand of one level over time: a spike counts at once, and is forgotten slowly. */
export class Demand {
  high = 0
  average = 0
  deviation = 0
  smoothed = 0

  /** `peak` seats were wanted at most in the period that ends. */
  take(peak: number): void {
    this.high = peak
    const kept = 0.977
    const difference = peak - this.average
    this.average = kept * this.average + (1 - kept) * peak
    this.deviation = Math.sqrt(kept * this.deviation ** 2 + (1 - kept) * difference ** 2)
    const envelope = Math.max(peak, this.average + this.deviation)
    this.smoothed = Math.max(envelope, kept * this.smoothed + (1 - kept) * envelope)
  }
}

export interface Claim {
  least: number
  most: number
  target: number
}

/** Shares `seats` out in proportion to what each claims, none below its least or above its most. */
export function share(claims: readonly Claim[], seats: number): { seats: number[]; fraction: number } {
  const given = (fraction: number) =>
    claims.map(({ least, most, target }) => Math.min(Math.max(least, fraction * target), Math.max(most, least)))
  const sum = (all: readonly number[]) => all.reduce((total, one) => total + one, 0)
  let [low, high] = [0, 1]
  while (sum(given(high)) < seats && high < 1e9) high *= 2
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    if (sum(given(middle)) <= seats) low = middle
    else high = middle
  }
  return { seats: given(low).map((one) => Math.round(one)), fraction: low }
}
