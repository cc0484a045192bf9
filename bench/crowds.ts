// What keeps a server busy only together with much that is there before: how long its loop stands still for each. Slow: minutes.
// Every scene has a server of its own.
// usage: node bench/crowds.ts [part of a scene's name] [directory for profiles]
import { markdown } from './figures.ts'
import { conversion } from './scene-conversion.ts'
import { crowds } from './scene-crowds.ts'
import { definitions, largeDefinitions } from './scene-definitions.ts'
import { encrypted, recorded } from './scene-hidden.ts'
import { largeObjects } from './scene-large-objects.ts'
import { managers } from './scene-managers.ts'
import * as multitudes from './scene-multitudes.ts'
import { policies } from './scene-policies.ts'
import { roles } from './scene-roles.ts'
import { bodies, connections, patches } from './scene-strangers.ts'
import { watchers } from './scene-watchers.ts'
import { type Feature, Turns } from './turns.ts'

interface Scene {
  play(turns: Turns): Promise<void>
  features?: readonly Feature[]
}

const SCENES: Record<string, Scene> = {
  conversion: { play: conversion },
  policies: { play: policies },
  managers: { play: managers },
  watchers: { play: watchers },
  largeObjects: { play: largeObjects },
  definitions: { play: definitions },
  largeDefinitions: { play: largeDefinitions },
  roles: { play: roles },
  recorded: { play: recorded, features: ['audit'] },
  encrypted: { play: encrypted, features: ['encryption'] },
  bodies: { play: bodies },
  patches: { play: patches },
  connections: { play: connections },
  crowds: { play: crowds },
  namespaces: { play: multitudes.namespaces },
  bindings: { play: multitudes.bindings },
  admission: { play: multitudes.admission },
  flows: { play: multitudes.flows },
  manyKinds: { play: multitudes.manyKinds },
  crowdedWatches: { play: multitudes.crowdedWatches },
  crowdedWrites: { play: multitudes.crowdedWrites },
}

const [only = '', profiles = ''] = process.argv.slice(2)
const rows: string[][] = []
for (const [name, { play, features = [] }] of Object.entries(SCENES)) {
  if (!name.includes(only)) continue
  await using turns = new Turns(rows, { profiles, features })
  await turns.start()
  await play(turns).catch((error: unknown) => console.error(`${name}:`, error))
}
console.log(markdown(['figure', 'measured', 'bound'], rows))
process.exit(0)
