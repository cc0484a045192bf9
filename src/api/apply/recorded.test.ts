// Applies and updates that structured-merge-diff itself has been asked about: random schemas and objects, and what it made of them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { clone, deepFreeze } from '#api/clone.ts'
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { StatusError } from '#api/status.ts'
import { decodeFields, type Fields } from './fields.ts'
import { encodeManagers, type Manager, type Managers } from './managers.ts'
import { serverSideApply } from './server-side-apply.ts'
import { setManagedFields, trackUpdate, withoutManagedFields } from './track-update.ts'

interface Recorded {
  schema: Schema
  operation: 'apply' | 'update'
  manager: string
  force?: boolean
  ignored?: Fields
  live: KubeObject
  object: KubeObject
  managers: Record<string, Fields>
  result: { error?: string; conflicts?: [manager: string, field: string][]; object?: KubeObject; managers?: Record<string, Fields> }
}

const at = 'x/v1'
const kind = { group: 'x', version: 'v1', kind: 'K' }

function managerOf(id: string, fields: Fields): Manager {
  const [manager, operation, , subresource] = JSON.parse(id)
  return { manager, operation, apiVersion: at, fields: decodeFields(fields)!, ...(subresource ? { subresource } : {}) }
}

function liveOf({ live, managers }: Recorded): KubeObject | undefined {
  if (!live.kind) return undefined
  const all: Managers = new Map(Object.entries(managers).map(([id, fields]) => [id, managerOf(id, fields)]))
  const object = clone(live)
  setManagedFields(object, encodeManagers(all))
  return deepFreeze(object)
}

function outcome(recorded: Recorded): Recorded['result'] {
  const { schema, operation, force = false, ignored, object } = recorded
  const { manager, subresource } = managerOf(recorded.manager, {})
  const live = liveOf(recorded)
  const options = { schema, apiVersion: at, manager, now: 0, ...(ignored ? { ignored } : {}), ...(subresource ? { subresource } : {}) }
  let next = clone(object)
  try {
    if (operation === 'apply') next = serverSideApply(live, next, { ...options, kind, force })
    else {
      setManagedFields(next, live?.metadata?.managedFields ?? [])
      trackUpdate(live, next, options)
    }
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    const { causes } = error.details ?? {}
    if (causes)
      return { conflicts: causes.map(({ message, field }) => [/"(.*)"/.exec(message!.split(' with subresource')[0]!)![1]!, field!]) }
    return { error: error.message.replace(/^failed to create typed patch object \(.*?\): /, '') }
  }
  const entries = next.metadata?.managedFields ?? []
  const managers = entries.map(({ manager, operation, apiVersion, subresource = '', fieldsV1 }) => {
    const id = JSON.stringify([manager, operation, operation === 'Apply' ? '' : apiVersion, subresource])
    return [id, fieldsV1 as Fields] as const
  })
  return { object: withoutManagedFields(next), managers: Object.fromEntries(managers) }
}

const lines = readFileSync(new URL('recorded.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')

for (const [index, line] of lines.entries()) {
  const recorded = JSON.parse(line) as Recorded
  const { error, conflicts, managers } = recorded.result
  const about = error ? 'refusal' : conflicts ? 'conflict' : recorded.operation
  test(`serverSideApply and trackUpdate agree with structured-merge-diff: ${about} of line ${index + 1}`, () => {
    const ours = outcome(recorded)
    assert.deepEqual(ours, recorded.result)
    // Sets are stored in one order.
    if (managers)
      for (const [id, fields] of Object.entries(managers)) assert.equal(JSON.stringify(ours.managers![id]), JSON.stringify(fields))
  })
}
