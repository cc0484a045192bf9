// What Kubernetes' own functions can cost, for estimates; a change here changes which definitions are accepted.
import { type EstimateCall, product, type Size, sum, times, traversal, UNKNOWN } from '#lib/cel/estimate.ts'

const ONE: Size = { min: 1, max: 1 }
const upTo = (max: number): Size => ({ min: 0, max })

/** Replacements can make a text longer: as often as what is replaced can occur. */
function replaced(text: Size, from: Size, to: Size): Size {
  if (from.min === 0) return upTo(times(text.max + 1, to.max) + text.max)
  if (to.max <= from.min) return upTo(text.max)
  return upTo(times(Math.ceil(text.max / from.min), to.max))
}

export const kubernetesCalls: EstimateCall = ({ name, target, sizes, types, entries, args }) => {
  const [first = ONE, second = ONE, third = ONE] = sizes
  switch (name) {
    case 'check':
      return { cost: 350_000 }
    case 'isSorted':
    case 'sum':
    case 'min':
    case 'max':
    case 'indexOf':
    case 'lastIndexOf': {
      if (!target) return undefined
      if (target.kind !== 'list') return { cost: traversal(first) }
      const element = types[0]?.params[0]?.kind
      const text = element === 'string' || element === 'bytes'
      return { cost: times(first.max, 1 + (text ? traversal(entries[0]?.value ?? UNKNOWN) : 0)) }
    }
    case 'url':
      return { cost: traversal(first) }
    case 'lowerAscii':
    case 'upperAscii':
    case 'substring':
    case 'trim':
      return { cost: traversal(first), size: first }
    case 'replace':
      return { cost: traversal(first, 0.2), size: replaced(first, second, third) }
    case 'split': {
      const limit =
        args[1]?.kind === 'constant' && typeof args[1].value === 'bigint' && args[1].value >= 0n ? Number(args[1].value) : first.max
      return { cost: traversal(first, 0.2), size: upTo(limit) }
    }
    case 'join': {
      const separators = upTo(Math.max(0, first.max - 1))
      const text = sum(product(first, entries[0]?.value ?? UNKNOWN), sizes.length > 1 ? product(second, separators) : upTo(0))
      return { cost: traversal(text), size: text }
    }
    case 'find':
    case 'findAll':
      return { cost: times(traversal(sum(first, ONE)), traversal(second, 0.25)), size: upTo(first.max) }
    case 'containsIP':
      return { cost: 4 + (types[1]?.kind === 'string' ? traversal(second) : 0) }
    case 'containsCIDR':
      return { cost: 7 + (types[1]?.kind === 'string' ? traversal(second) : 0) }
    case 'validate':
      return target ? { cost: traversal(second), size: upTo(1) } : undefined
    case 'sets.contains':
    case 'sets.intersects':
      return { cost: 1 + times(first.max, second.max) }
    case 'sets.equivalent':
      return { cost: 1 + 2 * times(first.max, second.max) }
    default:
      return undefined
  }
}
