// The texts of definitions, fields and parameters: large, rarely asked for, so read when needed and left to the collector afterwards.
import { readFileSync } from 'node:fs'

export interface DefinitionTexts {
  description: string
  fields: Readonly<Record<string, string>>
}

export interface Descriptions {
  definitions: Readonly<Record<string, DefinitionTexts>>
  /** By name under `''`; by the kind of its options, or `patch`, where a parameter means something else there. */
  parameters: Readonly<Record<string, Readonly<Record<string, string>>>>
}

let held: WeakRef<Descriptions> | undefined

export function descriptions(): Descriptions {
  const present = held?.deref()
  if (present) return present
  const read = { definitions: load('descriptions'), parameters: load('parameters') } as Descriptions
  held = new WeakRef(read)
  return read
}

function load(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../generated/${name}.json`, import.meta.url), 'utf8'))
}
