import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FanOut, Outbox } from './fan-out.ts'

function target(): { stream: Writable; writes: Buffer[] } {
  const writes: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      writes.push(chunk)
      done()
    },
  })
  return { stream, writes }
}

test('FanOut writes what one turn brings at once, and the same bytes to watchers of the same', async () => {
  const fanOut = new FanOut()
  const [all, other, one] = [target(), target(), target()]
  const boxes = [all, other, one].map(({ stream }) => new Outbox(fanOut, stream))
  const frames = ['a', 'b', 'c'].map((text) => Buffer.from(text))
  for (const frame of frames) for (const box of boxes.slice(0, 2)) box.add(frame)
  boxes[2]!.add(frames[1]!)
  assert.equal(boxes[0]!.backlog, 3)
  assert.deepEqual(all.writes, [])
  await turn()
  assert.deepEqual(
    [all, other, one].map(({ writes }) => writes.map(String)),
    [['abc'], ['abc'], ['b']],
  )
  assert.equal(all.writes[0], other.writes[0])
  assert.equal(one.writes[0], frames[1])
  assert.equal(boxes[0]!.backlog, 0)
})

test('FanOut keeps apart what differs in one frame, and turns from each other', async () => {
  const fanOut = new FanOut()
  const [left, right] = [target(), target()]
  const [a, b] = [new Outbox(fanOut, left.stream), new Outbox(fanOut, right.stream)]
  for (const text of ['1', '2']) a.add(Buffer.from(text))
  for (const text of ['1', '3']) b.add(Buffer.from(text))
  await turn()
  a.add(Buffer.from('4'))
  await turn()
  assert.deepEqual([left.writes.map(String), right.writes.map(String)], [['12', '4'], ['13']])
})

test('FanOut leaves what is much for one turn to later ones, in order', async () => {
  const fanOut = new FanOut()
  const targets = Array.from({ length: 5 }, target)
  const boxes = targets.map(({ stream }) => new Outbox(fanOut, stream))
  const large = Buffer.alloc(1024 * 1024, 'x')
  for (const box of boxes) box.add(large)
  await turn()
  assert.deepEqual(
    targets.map(({ writes }) => writes.length),
    [1, 1, 0, 0, 0],
  )
  boxes[0]!.add(Buffer.from('y'))
  boxes[4]!.add(Buffer.from('y'))
  for (let turns = 0; turns < 3; turns++) await turn()
  assert.deepEqual(
    targets.map(({ writes }) => Buffer.concat(writes).length),
    [large.length + 1, large.length, large.length, large.length, large.length + 1],
  )
})

test('FanOut makes the frame of a large event once for all who get it', async () => {
  const fanOut = new FanOut()
  const event = {}
  let made = 0
  const make = () => Buffer.from(`frame ${++made}`)
  const frames = [
    fanOut.shared(event, 'a', make),
    fanOut.shared(event, 'a', make),
    fanOut.shared(event, 'b', make),
    fanOut.shared({}, 'b', make),
  ]
  assert.deepEqual(frames.map(String), ['frame 1', 'frame 1', 'frame 2', 'frame 3'])
})

test('Outbox flush sends before the turn ends, once, and nothing to a stream that is gone', async () => {
  const fanOut = new FanOut()
  const [here, gone] = [target(), target()]
  const [box, lost] = [new Outbox(fanOut, here.stream), new Outbox(fanOut, gone.stream)]
  box.add(Buffer.from('x'))
  lost.add(Buffer.from('y'))
  gone.stream.destroy()
  box.flush()
  assert.deepEqual(here.writes.map(String), ['x'])
  await turn()
  assert.deepEqual([here.writes.length, gone.writes.length], [1, 0])
})

test('FanOut.shared makes a frame once for an event and key, whoever asks for another in between', () => {
  const fanOut = new FanOut()
  const [event, next] = [{}, {}]
  const made: string[] = []
  const ask = (of: object, key: string) => fanOut.shared(of, key, () => Buffer.from(`${made.push(key)} ${key}`)).toString()
  assert.deepEqual([ask(event, 'table'), ask(event, 'first table'), ask(event, 'table')], ['1 table', '2 first table', '1 table'])
  assert.equal(ask(next, 'table'), '3 table')
})
