// Which taints a pod puts up with.
import type { Taint, Toleration } from './generated/types.ts'

type TaintFacts = Pick<Taint, 'key' | 'value' | 'effect'>

export function tolerates(tolerations: readonly Toleration[] | undefined, taint: TaintFacts): boolean {
  return (tolerations ?? []).some((toleration) => matchesTaint(toleration, taint))
}

/** Without a key it matches every key, without an effect every effect. */
export function matchesTaint({ key, operator, value, effect }: Toleration, taint: TaintFacts): boolean {
  if (effect && effect !== taint.effect) return false
  if (key && key !== taint.key) return false
  if (operator === 'Exists') return true
  if (!key) return false
  if (operator === 'Gt' || operator === 'Lt') return compares(operator, taint.value, value)
  return (value ?? '') === (taint.value ?? '')
}

const INTEGER = /^(0|-?[1-9]\d{0,18})$/

function compares(operator: 'Gt' | 'Lt', actual: string | undefined, bound: string | undefined): boolean {
  if (!INTEGER.test(actual ?? '') || !INTEGER.test(bound ?? '')) return false
  return operator === 'Gt' ? BigInt(actual!) > BigInt(bound!) : BigInt(actual!) < BigInt(bound!)
}
