// The scale subresource: an autoscaling/v1 Scale read off its parent, and a change of the parent's replicas written through it.
import { clone, getOwn, isObject, setOwn } from '#api/clone.ts'
import { defineKind } from '#api/define-kind.ts'
import { invalid } from '#api/field-error.ts'
import type { Scale } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { apiVersionOf, type KubeObject, type ObjectKey } from '#api/object.ts'
import { formatLabelSelector, selectorOf } from '#api/label-selector.ts'
import { conflictError, invalidError, StatusError } from '#api/status.ts'
import { applyObject } from './apply.ts'
import { decodeLocal, type FieldValidation } from './decode.ts'
import type { AdmissionView, Engine, Write } from './engine.ts'
import { servedObject } from './encoding.ts'
import { updateObject } from './update.ts'

type Paths = NonNullable<Kind['scale']>

export const ScaleKind: Kind<Scale> = defineKind<Scale>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  scope: 'Namespaced',
  virtual: true,
  default(scale) {
    scale.spec = { ...scale.spec, replicas: scale.spec?.replicas ?? 0 }
  },
  columns: [
    { ...nameColumn, format: '' },
    { name: 'Desired', description: 'Replicas that are wanted.', type: 'integer', value: ({ spec }) => spec?.replicas ?? 0 },
    { name: 'Available', description: 'Replicas there are.', type: 'integer', value: ({ status }) => status?.replicas ?? 0 },
    ageColumn,
  ],
})

export function scaleOf(kind: Kind, object: KubeObject): Scale {
  const { replicas, there, selector: way } = waysOf(kind.scale!)
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {}
  const selector = way && read(object, way)
  const text = typeof selector === 'string' ? selector : isObject(selector) ? selectorText(selector) : ''
  const metadata = {
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
  }
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata,
    spec: { replicas: Number(read(object, replicas) ?? 0) },
    status: { replicas: Number(read(object, there) ?? 0), ...(text ? { selector: text } : {}) },
  }
}

/** Admission is asked about the Scale, and may change its replicas. */
const scaleView = (kind: Kind): AdmissionView => ({
  of: (object) => scaleOf(kind, object),
  into: (object, seen) => set(object, kind.scale!.specReplicas, (seen as Scale).spec?.replicas ?? 0),
})

/** Of selectors that nobody changes any more: autoscalers ask for the same one every 15 seconds. */
const selectorTexts = new WeakMap<object, string>()

/** A replication controller's selector is a plain map of labels. */
function selectorText(selector: Record<string, unknown>): string {
  const known = selectorTexts.get(selector)
  if (known !== undefined) return known
  const plain = !('matchLabels' in selector) && !('matchExpressions' in selector)
  const text = formatLabelSelector(selectorOf(plain ? { matchLabels: selector as Record<string, string> } : selector))
  if (Object.isFrozen(selector)) selectorTexts.set(selector, text)
  return text
}

/** `build` makes the wanted Scale from the present one. */
export async function updateScale(
  engine: Engine,
  write: Write,
  { key, build }: { key: ObjectKey; build(present: Scale): Scale | Promise<Scale> },
): Promise<Scale> {
  const { kind } = write.resource
  const { stored } = await updateObject(
    engine,
    { ...write, view: scaleView(kind) },
    {
      key,
      change: {
        async build(present) {
          const scale = await build(scaleOf(kind, present!))
          check(kind, scale, present!)
          const next = clone(present!)
          if (!scale.metadata?.resourceVersion) delete next.metadata!.resourceVersion
          set(next, kind.scale!.specReplicas, scale.spec?.replicas ?? 0)
          return next
        },
      },
    },
  )
  return scaleOf(kind, servedObject(write.resource, stored))
}

/** What a manager wants of the replicas, it owns in the parent, by way of the subresource. */
export async function applyScale(
  engine: Engine,
  write: Write,
  { key, patch, force, fieldValidation }: { key: ObjectKey; patch: KubeObject; force: boolean; fieldValidation: FieldValidation },
): Promise<Scale> {
  const { kind } = write.resource
  const expected = apiVersionOf(ScaleKind)
  if (patch.apiVersion !== expected) {
    const why = `Specified patch version: ${patch.apiVersion ?? ''}, expected: ${expected}`
    throw new StatusError('BadRequest', `Incorrect version specified in apply patch. ${why}`)
  }
  const { replicas } = (decodeLocal(ScaleKind, clone(patch)) as Scale).spec ?? {}
  const { managedFields: _managed, ...metadata } = patch.metadata ?? {}
  const wanted: KubeObject = { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata }
  if (isObject(read(patch, ['spec'])) && read(patch, ['spec', 'replicas']) !== undefined) {
    if (replicas! < 0) throw invalidError(ScaleKind, key.name, [invalid('spec.replicas', replicas, 'must be greater than or equal to 0')])
    set(wanted, kind.scale!.specReplicas, replicas)
  }
  const { stored } = await applyObject(engine, { ...write, view: scaleView(kind) }, { key, patch: wanted, force, fieldValidation })
  return scaleOf(kind, servedObject(write.resource, stored))
}

function check(kind: Kind, scale: Scale, present: KubeObject): void {
  const { name = '', uid, resourceVersion } = present.metadata!
  const meta = scale.metadata ?? {}
  if (meta.uid && meta.uid !== uid)
    throw conflictError(kind, name, `Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${uid}`)
  if (meta.resourceVersion && meta.resourceVersion !== resourceVersion) throw conflictError(kind, name)
  const replicas = scale.spec?.replicas ?? 0
  if (replicas < 0) throw invalidError(ScaleKind, name, [invalid('spec.replicas', replicas, 'must be greater than or equal to 0')])
}

/** `object`, which is the caller's own, with so many replicas wanted. */
export function withReplicas(kind: Kind, object: KubeObject, replicas: number): KubeObject {
  set(object, kind.scale!.specReplicas, replicas)
  return object
}

type Steps = readonly string[]

/** The ways to a kind's replicas and selector: autoscalers go them again and again. */
const ways = new WeakMap<Paths, { replicas: Steps; there: Steps; selector: Steps | undefined }>()

function waysOf(paths: Paths) {
  let known = ways.get(paths)
  if (!known) {
    const { specReplicas, statusReplicas, labelSelector } = paths
    known = {
      replicas: stepsOf(specReplicas),
      there: stepsOf(statusReplicas),
      selector: labelSelector ? stepsOf(labelSelector) : undefined,
    }
    ways.set(paths, known)
  }
  return known
}

const stepsOf = (path: string): Steps => path.split('.').filter(Boolean)

function read(object: unknown, steps: Steps): unknown {
  let value = object
  for (const step of steps) {
    if (!isObject(value)) return undefined
    value = getOwn(value, step)
  }
  return value
}

function set(object: KubeObject, path: string, value: unknown): void {
  const steps = stepsOf(path)
  let at = object as Record<string, unknown>
  for (const step of steps.slice(0, -1)) {
    const next = getOwn(at, step)
    if (isObject(next)) at = next
    else {
      const made = {}
      setOwn(at, step, made)
      at = made
    }
  }
  setOwn(at, steps.at(-1)!, value)
}
