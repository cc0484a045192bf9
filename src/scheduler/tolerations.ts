// Which taints a pod puts up with.
import type { Taint, Toleration } from '#api/generated/types.ts'

export function tolerates(tolerations: readonly Toleration[] | undefined, taint: Pick<Taint, 'key' | 'value' | 'effect'>): boolean {
  return (tolerations ?? []).some((toleration) => toleratesOne(toleration, taint))
}

function toleratesOne({ key, operator, value, effect }: Toleration, taint: Pick<Taint, 'key' | 'value' | 'effect'>): boolean {
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
