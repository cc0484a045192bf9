import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Schema } from '#api/schema.ts'
import { version2Schema } from './version-2-schema.ts'

const text: Schema = { type: 'string' }
const object = (properties: Record<string, Schema>, more: Partial<Schema> = {}): Schema => ({ type: 'object', properties, ...more })

for (const [title, given, expected] of [
  ['leaves alone what it can say', object({ a: text }, { required: ['a'] }), object({ a: text }, { required: ['a'] })],
  [
    'knows no null, and wants nothing that may be null',
    object({ a: { ...text, nullable: true, default: 'x' }, b: text }, { required: ['a', 'b'] }),
    object({ a: { type: 'any', default: 'x' }, b: text }, { required: ['b'] }),
  ],
  ['tells nothing of what may be null', object({ a: object({ b: text }, { nullable: true }) }), object({ a: { type: 'any' } })],
  [
    'tells nothing of what may hold more',
    object({ a: object({ b: text }, { preserveUnknownFields: true }) }),
    object({ a: { type: 'any', preserveUnknownFields: true } }),
  ],
  [
    'takes lists of anything for anything',
    object({ a: { type: 'array', items: text, preserveUnknownFields: true }, b: { type: 'array', items: text } }),
    object({ a: { type: 'any', preserveUnknownFields: true }, b: { type: 'array', items: text } }),
  ],
  [
    'wants no entries of a map that may be null',
    { type: 'object', additionalProperties: { ...text, nullable: true }, required: ['a'] },
    { type: 'object', additionalProperties: { type: 'any' } },
  ],
  ['tells nothing of a whole that may hold more', object({ a: text }, { preserveUnknownFields: true }), { type: 'object' }],
] as [string, Schema, Schema][]) {
  test(`version2Schema ${title}`, () => assert.deepEqual(version2Schema(given), expected))
}
