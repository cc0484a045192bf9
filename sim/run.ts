// One seeded run: people and faults at work for a while, then everything is healed and must come to a rest at which nothing is wrong.
// `node sim/run.ts SEED` replays one and tells its story.
import { Node } from '#api/kinds/core/node.ts'
import { StatusError } from '#api/status.ts'
import { formatTime } from '#lib/clock.ts'
import { snapshotOf, violations } from './invariants.ts'
import { doSomething } from './workload.ts'
import { type Part, START_MS, World } from './world.ts'

export interface Outcome {
  seed: number
  violations: string[]
  /** Of the final state: the same for every run of one seed. */
  digest: string
  faults: Record<string, number>
}

const RATES = { conflict: 0.03, refused: 0.02, lost: 0.01, slow: 0.01, dropped: 0.005, expired: 0.01, store: 0.005, unsure: 0.005 }
const NODES = 3
const DEEDS = 25
/** Longer than anything that is waited for: evictions from lost nodes, back-offs of controllers and schedulers. */
const HEALING_MS = 20 * 60_000

/** How far the time of day is set wrong at most. */
const MOST_OFF_MS = 8 * 60_000
const UNHARMED = { 'sampan.dev/node-state': null, 'sampan.dev/pressure': null, 'sampan.dev/devices': 'gpu.example.com=2' }

/** A machine vanishes with its node, falls silent, says it is unwell, or runs short of memory. */
async function befallNode(world: World, say: (text: string) => void): Promise<void> {
  const { random } = world
  const name: Part = `node-${Math.floor(random.float() * world.nodes)}`
  const what = Math.floor(random.float() * 5)
  if (!world.isRunning('server')) return
  const annotate = (annotations: object) =>
    world.client.patch(Node, { name: `${name}-0` }, { type: 'merge', patch: { metadata: { annotations } } })
  const deeds = [
    async () => {
      await world.stop(name)
      await world.client.delete(Node, { name: `${name}-0` })
    },
    () => annotate({ 'sampan.dev/node-state': 'lost' }),
    () => annotate({ 'sampan.dev/node-state': 'not-ready' }),
    () => annotate({ 'sampan.dev/pressure': 'memory' }),
    () => annotate(UNHARMED),
  ]
  say(`${name} ${['vanishes', 'is lost', 'is not ready', 'is short of memory', 'is well'][what]}`)
  await deeds[what]!().catch((error: unknown) => {
    if (!(error instanceof StatusError) && !String(error).includes('simulated')) throw error
  })
}

export async function simulate(seed: number, tell: (line: string) => void = () => {}): Promise<Outcome> {
  await using world = await World.start(seed, { nodes: NODES, rates: RATES })
  const { random, clock } = world
  let names = 0
  let off = 0
  const say = (text: string) => tell(`${formatTime(clock.now())} ${text}`)

  for (let deed = 0; deed < DEEDS; deed++) {
    if (world.isRunning('server')) await doSomething({ client: world.client, random, next: () => ++names })
    if (random.float() < 0.25) {
      const part: Part = world.parts()[Math.floor(random.float() * world.parts().length)]!
      if (world.isRunning(part)) {
        say(`${part} stops`)
        await world.stop(part)
      } else {
        say(`${part} starts`)
        await world.start(part)
      }
    }
    if (random.float() < 0.06) await befallNode(world, say)
    if (random.float() < 0.05) {
      off = (random.float() - 0.5) * 2 * MOST_OFF_MS
      say(`the time of day is ${Math.round(off / 1000)} s off`)
      clock.set(START_MS + clock.monotonic() + off)
    }
    // Mostly no time at all, now and then a good while; a clock that jumps is a good while in which nobody did anything.
    await world.advance(random.float() < 0.1 ? random.float() * 20 * 60_000 : random.float() * 5000)
  }

  say('healed')
  world.faults.heal()
  clock.set(START_MS + clock.monotonic())
  for (const part of world.parts()) await world.start(part)
  for (const { metadata } of (await world.client.list(Node)).items)
    await world.client.patch(Node, { name: metadata!.name! }, { type: 'merge', patch: { metadata: { annotations: UNHARMED } } })
  await world.advance(HEALING_MS)
  await world.rest()
  const snapshot = await snapshotOf(world.client)
  const digest = JSON.stringify(
    snapshot
      .all()
      .map(([kind, { metadata }]) => [kind.plural, metadata?.namespace, metadata?.name, metadata?.uid, metadata?.resourceVersion]),
  )
  for (const line of world.warnings.slice(-10)) tell(line.trim().slice(0, 300))
  return {
    seed,
    violations: [
      ...violations(snapshot),
      ...world.bindings.violations,
      ...[...world.hotLoops].map((user) => `${user} does not come to rest`),
    ],
    digest,
    faults: world.faults.counts,
  }
}

if (import.meta.main) {
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  const outcome = await simulate(Number(process.argv[2] ?? 1), say)
  say(JSON.stringify(outcome.faults))
  for (const line of outcome.violations) say(`WRONG: ${line}`)
  process.exitCode = outcome.violations.length > 0 ? 1 : 0
}
