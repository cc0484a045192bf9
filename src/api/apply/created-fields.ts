// What whoever creates an object owns of it. That follows from which members there are, not from what they hold, and most objects of a kind are made
// alike, by one controller from one template: the last few forms are remembered with their fields. To see that an object has a form costs a look at each
// name; to gather its fields anew costs ten times that. Objects of one form share one tree of fields, but for the name of their one owner.
import { equal } from '#api/equal.ts'
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { compareObjects } from './compare.ts'
import { emptyObject, withEmptyStatus } from './empty-object.ts'
import { encodeFields, type Fields, LEAF, NO_FIELDS, union } from './fields.ts'
import { keyElement } from './path-element.ts'
import { memberOf, shapeOf } from './shape.ts'
import { type Ownership, withoutIgnored, withoutNeverOwned } from './update.ts'

/** A value of which only this is known: it is a leaf, and like what the empty object has in its place or not. */
interface LeafForm {
  type: 'null' | 'scalar' | 'list' | 'map'
  /** Whether it holds anything; of scalars nobody asks. */
  filled: boolean
  /** What the empty object has there, and whether it is that. */
  empty?: { value: unknown; same: boolean }
}

interface MapForm {
  keys: readonly string[]
  members: readonly Form[]
}

interface ItemsForm {
  /** Item by item, what its key fields hold; of sets the items. Which owner it is that is an object's only one is not asked: it is any. */
  identities: readonly (readonly unknown[])[] | undefined
  keys: readonly string[]
  items: readonly Form[]
}

type Form = LeafForm | MapForm | ItemsForm

interface Remembered {
  ignored: Fields
  form: Form
  /** With the owner of the last object of this form: the pods of a Job are made together. */
  fields: Fields
  owner: string | undefined
}

const MOST_FORMS = 8
/** Larger objects are rarely alike, and what is remembered of them would be large too. */
const MOST_MEMBERS = 1000

const remembered = new WeakMap<Schema, Remembered[]>()

/** As they are stored. `object` has no managers yet. */
export function createdFields(object: KubeObject, { schema, ignored = NO_FIELDS }: Pick<Ownership, 'schema' | 'ignored'>): Fields {
  let known = remembered.get(schema)
  if (!known) remembered.set(schema, (known = []))
  for (let i = 0; i < known.length; i++) {
    const one = known[i]!
    if (one.ignored !== ignored || !fits(one.form, object)) continue
    // Those asked for again and again are found first.
    for (let at = i; at > 0; at--) known[at] = known[at - 1]!
    known[0] = one
    return ownedBy(one, ownerOf(object))
  }
  const empty = emptyObject(schema)
  const { added, modified } = withoutIgnored(compareObjects(schema, empty, withEmptyStatus(schema, object)), ignored)
  const fields = encodeFields(withoutNeverOwned(union(added, modified)))
  const form = formOf(schema, object, { empty, budget: { left: MOST_MEMBERS } })
  if (form) {
    const owner = ownerOf(object)
    if (owner !== undefined) forgetOwner(form)
    known.unshift({ ignored, form, fields, owner })
  }
  if (known.length > MOST_FORMS) known.pop()
  return fields
}

const OWNERS = 'f:ownerReferences'

/** The uid of an object's only owner. */
function ownerOf({ metadata }: KubeObject): string | undefined {
  const owners = metadata?.ownerReferences
  const uid = owners?.length === 1 ? owners[0]?.uid : undefined
  return typeof uid === 'string' ? uid : undefined
}

const ownerElement = (uid: string): string => keyElement({ uid })!

/** Objects with any one owner fit from now on. */
function forgetOwner(form: Form): void {
  const below = (of: Form | undefined, key: string) => (of && 'members' in of ? of.members[of.keys.indexOf(key)] : undefined)
  const owners = below(below(form, 'metadata'), 'ownerReferences')
  if (owners && 'identities' in owners) owners.identities = undefined
}

/** The fields with the name of this owner: made once for those that come one after the other. */
function ownedBy(one: Remembered, owner: string | undefined): Fields {
  if (owner === undefined || one.owner === undefined || owner === one.owner) return one.fields
  const metadata = one.fields['f:metadata']
  const below = metadata?.[OWNERS]?.[ownerElement(one.owner)]
  // Where nothing is known of owners, nobody owns one by name.
  if (!below) return one.fields
  const owners = { '.': LEAF, [ownerElement(owner)]: below }
  one.fields = encodeFields({ ...one.fields, 'f:metadata': { ...metadata, [OWNERS]: owners } })
  one.owner = owner
  return one.fields
}

interface Circumstances {
  /** What the empty object has there. */
  empty: unknown
  budget: { left: number }
}

/** undefined: too large, or of a kind that forms do not tell apart. */
function formOf(schema: Schema | undefined, value: unknown, { empty, budget }: Circumstances): Form | undefined {
  if (--budget.left < 0) return undefined
  const type = typeOf(value)
  const shape = shapeOf(schema, value)
  const filled = isFilled(value)
  if (shape === 'leaf' || !filled)
    return { type, filled, ...(empty === undefined ? {} : { empty: { value: empty, same: equal(empty, value) } }) }
  if (shape === 'map') return mapForm(schema, value as Record<string, unknown>, { empty, budget })
  return itemsForm(schema!, value as unknown[], budget)
}

function mapForm(schema: Schema | undefined, value: Record<string, unknown>, { empty, budget }: Circumstances): MapForm | undefined {
  const keys: string[] = []
  const members: Form[] = []
  const emptyMembers = (typeof empty === 'object' && empty !== null ? empty : {}) as Record<string, unknown>
  for (const key in value) {
    if (value[key] === undefined) continue
    const before = Object.hasOwn(emptyMembers, key) ? emptyMembers[key] : undefined
    const form = formOf(memberOf(schema, key).schema, value[key], { empty: before, budget })
    if (!form) return undefined
    keys.push(key)
    members.push(form)
  }
  return { keys, members }
}

function itemsForm(schema: Schema, list: readonly unknown[], budget: Circumstances['budget']): ItemsForm | undefined {
  const keys = schema.listType === 'map' ? (schema.listMapKeys ?? []) : []
  const identities: unknown[][] = []
  const items: Form[] = []
  for (const item of list) {
    const isObject = typeof item === 'object' && item !== null && !Array.isArray(item)
    if (isObject !== keys.length > 0) return undefined
    const identity = isObject ? keys.map((key) => (item as Record<string, unknown>)[key]) : [item]
    const form = formOf(schema.items, item, { empty: undefined, budget })
    if (!form || identity.some((one) => typeof one === 'object')) return undefined
    identities.push(identity)
    items.push(form)
  }
  return { identities, keys, items }
}

function fits(form: Form, value: unknown): boolean {
  if ('type' in form) {
    const { type, filled, empty } = form
    if (typeOf(value) !== type || ((type === 'list' || type === 'map') && isFilled(value) !== filled)) return false
    return !empty || equal(empty.value, value) === empty.same
  }
  if (typeof value !== 'object' || value === null) return false
  return 'members' in form ? fitsMap(form, value as Record<string, unknown>) : Array.isArray(value) && fitsItems(form, value)
}

function fitsMap({ keys, members }: MapForm, value: Record<string, unknown>): boolean {
  if (Array.isArray(value)) return false
  let at = 0
  for (const key in value) {
    const member = value[key]
    if (member === undefined) continue
    if (keys[at] !== key || !fits(members[at]!, member)) return false
    at++
  }
  return at === keys.length
}

function fitsItems({ identities, keys, items }: ItemsForm, list: readonly unknown[]): boolean {
  if (list.length !== items.length) return false
  for (let index = 0; index < list.length; index++) {
    const item = list[index]
    if (!fits(items[index]!, item)) return false
    const identity = identities?.[index]
    if (!identity) {
      if (typeof (item as Record<string, unknown>)[keys[0]!] !== 'string') return false
      continue
    }
    if (keys.length === 0 && item !== identity[0]) return false
    for (let at = 0; at < keys.length; at++) if ((item as Record<string, unknown>)[keys[at]!] !== identity[at]) return false
  }
  return true
}

function typeOf(value: unknown): LeafForm['type'] {
  if (value === null) return 'null'
  if (typeof value !== 'object') return 'scalar'
  return Array.isArray(value) ? 'list' : 'map'
}

function isFilled(value: unknown): boolean {
  if (value === null) return false
  if (typeof value !== 'object') return true
  if (Array.isArray(value)) return value.length > 0
  for (const key in value) if ((value as Record<string, unknown>)[key] !== undefined) return true
  return false
}
