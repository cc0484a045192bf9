// Resource names and amounts: container requests and limits, node capacity, quota.
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { ResourceRequirements } from '#api/generated/types.ts'
import { qualifiedName } from '#api/names.ts'
import { isQuantity, Quantity, quantityOf } from '#api/quantity.ts'
import { checkMessages, type Errors, NON_NEGATIVE } from './checks.ts'

export type ResourceList = Record<string, string>

const CONTAINER_RESOURCES = ['cpu', 'memory', 'ephemeral-storage']
const BAD_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

const isHugePages = (name: string) => name.startsWith('hugepages-')
const isNative = (name: string) => !name.includes('/') || name.split('/')[0]!.endsWith('kubernetes.io')
const isExtended = (name: string) => !isNative(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`).length === 0
const isInteger = (name: string) => isExtended(name)

export function checkQuantity(path: string, value: unknown, errors: Errors): value is string {
  if (isQuantity(value)) return true
  errors.push(invalid(path, value ?? '', BAD_QUANTITY))
  return false
}

/** A non-negative amount; whole where the resource comes in pieces. */
export function checkResourceAmount(path: string, name: string, value: unknown, errors: Errors): void {
  if (!checkQuantity(path, value, errors)) return
  const amount = quantityOf(value)
  if (amount.sign < 0) errors.push(invalid(path, amount.toString(), NON_NEGATIVE))
  if (isInteger(name) && amount.compare(Quantity.of(amount.value())) !== 0)
    errors.push(invalid(path, amount.toString(), 'must be an integer'))
}

function checkContainerResourceName(path: string, name: string, errors: Errors): void {
  const messages = qualifiedName(name)
  checkMessages(path, name, messages, errors)
  if (messages.length > 0) return
  if (!name.includes('/')) {
    if (!CONTAINER_RESOURCES.includes(name) && !isHugePages(name))
      errors.push(invalid(path, name, 'must be a standard resource for containers'))
  } else if (!isNative(name) && !isExtended(name)) errors.push(invalid(path, name, "doesn't follow extended resource name standard"))
}

export function validateRequirements(
  resources: ResourceRequirements | undefined,
  path: string,
  claims: ReadonlySet<string> = new Set(),
): FieldError[] {
  const errors: FieldError[] = []
  const { limits = {}, requests = {} } = resources ?? {}
  let hugePages = false
  for (const [name, amount] of Object.entries(limits)) {
    checkContainerResourceName(`${path}.limits[${name}]`, name, errors)
    checkResourceAmount(`${path}.limits[${name}]`, name, amount, errors)
    hugePages ||= isHugePages(name)
  }
  for (const [name, amount] of Object.entries(requests)) {
    const before = errors.length
    checkContainerResourceName(`${path}.requests[${name}]`, name, errors)
    checkResourceAmount(`${path}.requests[${name}]`, name, amount, errors)
    hugePages ||= isHugePages(name)
    if (errors.length > before) continue
    const exact = isExtended(name) || isHugePages(name)
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined
    if (limit === undefined) {
      if (exact) errors.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
    } else if (isQuantity(limit)) {
      const order = quantityOf(amount).compare(quantityOf(limit))
      if (exact && order !== 0) errors.push(invalid(`${path}.requests`, amount, `must be equal to ${name} limit of ${limit}`))
      else if (!exact && order > 0)
        errors.push(invalid(`${path}.requests`, amount, `must be less than or equal to ${name} limit of ${limit}`))
    }
  }
  const computes = (list: ResourceList) => 'cpu' in list || 'memory' in list
  if (hugePages && !computes(limits) && !computes(requests)) errors.push(forbidden(path, 'HugePages require cpu or memory'))
  for (const [index, claim] of (resources?.claims ?? []).entries()) {
    const at = `${path}.claims[${index}]`
    if (!claim.name) errors.push(required(`${at}.name`))
    else if (!claims.has(claim.name))
      errors.push({ type: 'FieldValueNotFound', field: `${at}.name`, message: `Not found: ${JSON.stringify(claim.name)}` })
  }
  return errors
}

/** Names in capacity, quota and limit ranges: standard ones or qualified. */
export function checkResourceName(path: string, name: string, errors: Errors, standard: readonly string[] = STANDARD_RESOURCES): void {
  const messages = qualifiedName(name)
  checkMessages(path, name, messages, errors)
  if (messages.length > 0 || name.includes('/')) return
  if (!standard.includes(name) && !/^(requests\.|limits\.)?hugepages-/.test(name))
    errors.push(invalid(path, name, 'must be a standard resource type or fully qualified'))
}

const QUOTA_RESOURCES = [
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]
const STANDARD_RESOURCES = [...QUOTA_RESOURCES, 'storage']
