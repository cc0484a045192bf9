// Random objects of every kind through create, update, every patch, status and delete, with the invariants of issue and watch checked at each step.
// SAMPAN_HISTORIES=1000 runs a thousand of every kind, SAMPAN_SEED=7 from another seed; a failure says how to see it again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtinKinds } from '#api/kinds.ts'
import type { Kind } from '#api/kind.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { MemoryExchange } from '#server/http/memory-exchange.ts'
import { History, type Tally } from './histories.ts'
import { type Requests, startRequests } from './requests.ts'

const HISTORIES = Number(process.env['SAMPAN_HISTORIES'] ?? 6)
const SEED = Number(process.env['SAMPAN_SEED'] ?? 1)
const ONLY = process.env['SAMPAN_KIND']

async function watched(t: Requests, kind: Kind): Promise<{ events: any[]; until(count: number): Promise<void>; close(): void }> {
  const path = `${kind.group ? `/apis/${kind.group}` : '/api'}/${kind.version}/${kind.plural}?watch=1`
  const exchange = new MemoryExchange({ path })
  t.server.serve(exchange)
  const { stream } = await exchange.answer()
  const events: any[] = []
  let rest = ''
  let wake = () => {}
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    for (const line of parts) events.push(JSON.parse(line))
    wake()
  })
  stream.on('error', () => {})
  return {
    events,
    async until(count) {
      while (events.length < count) await new Promise<void>((resolve) => (wake = resolve))
    },
    close: () => exchange.cancel(),
  }
}

/** Definitions are written to by the server itself as soon as they are there. */
const kinds = builtinKinds.filter(({ virtual, verbs, kind }) => !virtual && verbs.includes('create') && kind !== 'CustomResourceDefinition')

for (const kind of kinds.filter(({ kind: name }) => !ONLY || name === ONLY)) {
  test(`${kind.kind} of ${kind.group || 'core'}/${kind.version} keeps the invariants through random histories`, async (context) => {
    // Time stands still: what the server does by itself every tenth of a second (conditions of flow schemas) must not come in between.
    await using t = await startRequests({ random: seededRandom(SEED), clock: createVirtualClock() })
    const watch = await watched(t, kind)
    const tally: Tally = { created: 0, changed: 0, unchanged: 0, refused: 0 }
    let latest = 0
    let seen = 0
    for (let index = 0; index < HISTORIES; index++) {
      const random = seededRandom(SEED * 1_000_003 + index)
      const history = new History(t, kind, { random, tally, latest })
      try {
        await history.run(`x${index}`)
        latest = history.latest
        const { told } = history
        await watch.until(seen + told.length)
        for (const [at, { type, object }] of told.entries()) {
          const event = watch.events[seen + at]
          assert.equal(event.type, type)
          if (type !== 'DELETED') assert.deepEqual(event.object, object, 'the watch tells what the write answered')
          else assert.ok(Number(event.object.metadata.resourceVersion) > latest)
        }
        seen += told.length
        latest = Math.max(latest, ...watch.events.slice(-1).map(({ object }) => Number(object.metadata.resourceVersion)))
        assert.equal(watch.events.length, seen)
      } catch (error) {
        throw new Error(`SAMPAN_SEED=${SEED}, history ${index}:\n${history.steps.join('\n')}`, { cause: error })
      }
    }
    watch.close()
    context.diagnostic(JSON.stringify(tally))
    assert.ok(tally.created === HISTORIES && tally.changed > 0, JSON.stringify(tally))
  })
}
