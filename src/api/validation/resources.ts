// Resource names and amounts: container and pod requests and limits, node capacity, quota.
import { duplicate, type FieldError, forbidden, invalid, notFound, notSupported, required } from '#api/field-error.ts'
import type { CoreResourceClaim, ResourceRequirements } from '#api/generated/types.ts'
import { dnsLabel, qualifiedName } from '#api/names.ts'
import { isQuantity, Quantity, QUANTITY_FORM, quantityOf } from '#api/quantity.ts'
import { checkMessages, each, type Errors, NON_NEGATIVE } from './checks.ts'

const CONTAINER_RESOURCES = ['cpu', 'memory', 'ephemeral-storage']
const COUNTED = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]
const QUOTA_RESOURCES = [
  ...CONTAINER_RESOURCES,
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  ...COUNTED,
]

export const isHugePages = (name: string) => name.startsWith('hugepages-')
const isQuotaHugePages = (name: string) => isHugePages(name) || name.startsWith('requests.hugepages-')
export const isNative = (name: string) => !name.includes('/') || name.includes('kubernetes.io/')
export const isExtended = (name: string) =>
  !isNative(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`).length === 0
const isWhole = (name: string) => COUNTED.includes(name) || isExtended(name)
/** What may be promised to more than one. */
export const isOvercommitAllowed = (name: string) => isNative(name) && !isHugePages(name)
export const isQuotaResource = (name: string) => QUOTA_RESOURCES.includes(name) || isQuotaHugePages(name)

export function checkQuantity(path: string, value: unknown, errors: Errors): value is string {
  if (isQuantity(value)) return true
  errors.push(invalid(path, value ?? '', QUANTITY_FORM))
  return false
}

/** A non-negative amount; whole where the resource comes in pieces. */
export function checkResourceAmount(path: string, name: string, value: unknown, errors: Errors): void {
  if (!checkQuantity(path, value, errors)) return
  const amount = quantityOf(value)
  if (amount.sign < 0) errors.push(invalid(path, amount.toString(), NON_NEGATIVE))
  if (isWhole(name) && amount.compare(Quantity.of(amount.value())) !== 0)
    errors.push(invalid(path, amount.toString(), 'must be an integer'))
}

/** Names in capacity and limit ranges: standard ones or qualified. Tells whether it was. */
export function checkResourceName(path: string, name: string, errors: Errors): boolean {
  const messages = qualifiedName(name)
  checkMessages(path, name, messages, errors)
  if (messages.length > 0) return false
  if (name.includes('/') || name === 'storage' || isQuotaResource(name)) return true
  errors.push(invalid(path, name, 'must be a standard resource type or fully qualified'))
  return false
}

export function checkQuotaResourceName(path: string, name: string, errors: Errors): void {
  checkResourceName(path, name, errors)
  if (!name.includes('/') && !isQuotaResource(name)) errors.push(invalid(path, name, 'must be a standard resource for quota'))
}

export function checkContainerResourceName(path: string, name: string, errors: Errors): void {
  checkResourceName(path, name, errors)
  if (!name.includes('/')) {
    if (!CONTAINER_RESOURCES.includes(name) && !isHugePages(name))
      errors.push(invalid(path, name, 'must be a standard resource for containers'))
  } else if (!isNative(name) && !isExtended(name)) errors.push(invalid(path, name, "doesn't follow extended resource name standard"))
}

function checkPodResourceName(path: string, name: string, errors: Errors): void {
  if (!checkResourceName(path, name, errors)) return
  if (name !== 'cpu' && name !== 'memory' && !isHugePages(name)) errors.push(notSupported(path, name, ['cpu', 'hugepages-', 'memory']))
}

interface Scope {
  /** Claims of the pod, of which a container may name some. */
  claims?: ReadonlySet<string>
  /** Requirements of the pod itself, not of a container. */
  ofPod?: boolean
}

export function validateRequirements(
  resources: ResourceRequirements | undefined,
  path: string,
  { claims = new Set(), ofPod = false }: Scope = {},
): FieldError[] {
  // Most containers ask for nothing.
  if (!resources?.limits && !resources?.requests && !resources?.claims) return []
  const errors: FieldError[] = []
  const { limits = {}, requests = {} } = resources
  const checkNameOf = ofPod ? checkPodResourceName : checkContainerResourceName
  let [hugePages, computes] = [false, false]
  const checkOne = (name: string, amount: string, at: string) => {
    checkNameOf(at, name, errors)
    checkResourceAmount(at, name, amount, errors)
    computes ||= name === 'cpu' || name === 'memory'
  }
  const checkHuge = (name: string, amount: string, at: string) => {
    if (!isHugePages(name)) return
    hugePages = true
    const size = name.slice('hugepages-'.length)
    if (!isQuantity(amount)) return
    const [page, wanted] = [isQuantity(size) ? quantityOf(size) : undefined, quantityOf(amount)]
    if (!page || page.sign <= 0 || wanted.nanos % page.nanos !== 0n)
      errors.push(invalid(at, wanted.toString(), `${wanted} is not positive integer multiple of ${name}`))
  }
  for (const [name, amount] of Object.entries(limits)) {
    checkOne(name, amount, `${path}.limits[${name}]`)
    checkHuge(name, amount, `${path}.limits[${name}]`)
  }
  for (const [name, amount] of Object.entries(requests)) {
    checkOne(name, amount, `${path}.requests[${name}]`)
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined
    const exact = !isOvercommitAllowed(name)
    if (limit === undefined) {
      if (exact) errors.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
    } else if (isQuantity(limit) && isQuantity(amount)) {
      const order = quantityOf(amount).compare(quantityOf(limit))
      const relation = exact && order !== 0 ? 'equal to' : order > 0 ? 'less than or equal to' : undefined
      if (relation)
        errors.push(invalid(`${path}.requests`, quantityOf(amount).toString(), `must be ${relation} ${name} limit of ${quantityOf(limit)}`))
    }
    checkHuge(name, amount, `${path}.requests[${name}]`)
  }
  if (hugePages && !computes) errors.push(forbidden(path, 'HugePages require cpu or memory'))
  checkClaimNames(resources.claims, `${path}.claims`, { claims, errors })
  return errors
}

/** Each claim, or each request of one, is named once. */
function checkClaimNames(
  list: CoreResourceClaim[] | undefined,
  path: string,
  { claims, errors }: { claims: ReadonlySet<string>; errors: Errors },
): void {
  const seen = new Set<string>()
  each(list, path, ({ name, request }, at) => {
    if (!name) return void errors.push(required(at))
    if (seen.has(name)) errors.push(duplicate(at, name))
    else {
      if (request) checkMessages(`${at}.request`, request, dnsLabel(request), errors)
      const key = request ? `${name}/${request}` : name
      if (seen.has(key)) errors.push(duplicate(at, key))
      else if (!request) for (const other of seen) if (other.startsWith(`${name}/`)) errors.push(duplicate(at, name))
      seen.add(key)
    }
    if (claims.has(name)) return
    const known = claims.size === 0 ? ' which is empty' : `: ${[...claims].toSorted().join(', ')}`
    errors.push(notFound(at, name, `must be one of the names in pod.spec.resourceClaims${known}`))
  })
}
