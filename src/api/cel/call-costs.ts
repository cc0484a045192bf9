// What Kubernetes' own functions can cost, for estimates; a change here changes which definitions are accepted.
import type { Type } from '#lib/cel/types.ts'
import { type EstimateCall, product, type Size, sum, times, traversal, UNKNOWN } from '#lib/cel/estimate.ts'

const ONE: Size = { min: 1, max: 1 }
const upTo = (max: number): Size => ({ min: 0, max })

/** Replacements can make a text longer: as often as what is replaced can occur. */
function replaced(text: Size, from: Size, to: Size): Size {
  if (from.min === 0) return upTo(times(text.max + 1, to.max) + text.max)
  if (to.max <= from.min) return upTo(text.max)
  return upTo(times(Math.ceil(text.max / from.min), to.max))
}

/** What the longest pattern of a named format stands for. */
const FORMAT_WORK = 32
const FORMAT_NAME: Size = { min: 1, max: 64 }
const QUICK = /^(net\.(IP|CIDR)|kubernetes\.(Quantity|Semver|authorization\..+))$/

/** Of Kubernetes' own types, whose sizes nobody asks for. */
function equalityOf([one, other]: readonly Type[], [, second = ONE]: readonly Size[]): { cost: number } | undefined {
  if (one?.kind !== 'opaque' || one.name !== other?.name) return undefined
  if (QUICK.test(one.name)) return { cost: 1 }
  if (one.name === 'kubernetes.NamedFormat') return { cost: traversal(FORMAT_NAME) }
  return one.name === 'kubernetes.URL' ? { cost: traversal(second) } : undefined
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
    case 'jsonpatch.escapeKey':
      return { cost: traversal(first), size: first }
    case 'fieldSelector':
    case 'labelSelector':
      // A list of requirements, one for every two characters, each of them a struct with a list.
      return { cost: 10 + traversal(second) + times(Math.ceil(second.max / 2), 50) }
    case 'ip':
    case 'cidr':
    case 'isIP':
    case 'isCIDR':
    case 'quantity':
    case 'isQuantity':
    case 'semver':
    case 'isSemver':
      return target ? undefined : { cost: traversal(first) }
    case 'ip.isCanonical':
      return { cost: traversal(first, 0.2) }
    case 'strings.quote':
      return { cost: traversal(first), size: { min: first.min + 2, max: 2 * first.max + 2 } }
    case 'lowerAscii':
    case 'upperAscii':
    case 'substring':
    case 'trim':
      return { cost: traversal(first), size: first }
    case 'replace':
      return { cost: traversal(first, 0.2), size: replaced(first, second, third) }
    case 'split': {
      const limit = args[1]?.kind === 'constant' && typeof args[1].value === 'bigint' ? args[1].value : undefined
      // No limit is the largest there is.
      const max = limit === undefined ? first.max : limit < 0n ? Infinity : Number(limit)
      return { cost: traversal(first, 0.2), size: upTo(max) }
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
      return target ? { cost: times(traversal(second), FORMAT_WORK) } : undefined
    case 'sets.contains':
    case 'sets.intersects':
      return { cost: 1 + times(first.max, second.max) }
    case 'sets.equivalent':
      return { cost: 1 + 2 * times(first.max, second.max) }
    case '_==_':
      return equalityOf(types, sizes)
    default:
      return undefined
  }
}
