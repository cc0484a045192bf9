import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { systemClock as clock } from '#lib/clock.ts'
import { type LogOptions, readLog } from './log-reader.ts'

const directory = mkdtempSync(join(tmpdir(), 'sampan-log-'))
after(() => rmSync(directory, { recursive: true }))

let serial = 0
const time = (second: number) => `2026-01-01T00:00:${String(second % 60).padStart(2, '0')}.123456789Z`
const line = (text: string | number, { second = 0, stream = 'stdout', tag = 'F' } = {}) => `${time(second)} ${stream} ${tag} ${text}\n`
const path = (content: string) => {
  const file = join(directory, `${++serial}.log`)
  writeFileSync(file, content)
  return file
}
const all = { follow: false, timestamps: false }

async function read(content: string, options: Partial<LogOptions>): Promise<string> {
  let text = ''
  const source = { path: path(content), running: () => false, clock, signal: new AbortController().signal }
  for await (const piece of readLog(source, { ...all, ...options })) text += piece.toString()
  return text
}

describe('readLog', () => {
  const few = [1, 2, 3].map((number) => line(number, { second: number })).join('')
  const pieces = line('a', { tag: 'P' }) + line('b', { tag: 'P' }) + line('c') + line('next')
  for (const [what, content, options, expected] of [
    ['everything', few, {}, '1\n2\n3\n'],
    ['the last two lines', few, { tailLines: 2 }, '2\n3\n'],
    ['more lines than there are', few, { tailLines: 9 }, '1\n2\n3\n'],
    ['no line', few, { tailLines: 0 }, ''],
    ['nothing of an empty file', '', { tailLines: 5 }, ''],
    ['what came since', few, { since: Date.parse(time(2)) }, '2\n3\n'],
    ['so many bytes', few, { limitBytes: 3 }, '1\n2'],
    ['one stream', line('out') + line('err', { stream: 'stderr' }), { stream: 'stderr' }, 'err\n'],
    ['pieces as one line', pieces, {}, 'abc\nnext\n'],
    ['one timestamp for a line in pieces', pieces, { timestamps: true }, `${time(0)} abc\n${time(0)} next\n`],
    ['empty lines', line('') + line('x'), {}, '\nx\n'],
    ['only what is a log line', `nonsense\n${line('x')}also none\n`, {}, 'x\n'],
  ] as const) {
    test(`gives ${what}`, async () => assert.equal(await read(content, options), expected))
  }

  test('finds the tail and all lines over the borders of what is read at once', async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => i)
    const content = many.map((number) => line(number)).join('')
    assert.equal(await read(content, {}), `${many.join('\n')}\n`)
    for (const tailLines of [1, 1_000, 5_000, 19_999]) {
      assert.equal(await read(content, { tailLines }), `${many.slice(-tailLines).join('\n')}\n`, String(tailLines))
    }
  })

  test('follows what is written and the file that takes its name, to the end', async () => {
    const file = path(line('one'))
    let running = true
    const steps = [
      () => appendFileSync(file, line('two').slice(0, 20)),
      () => appendFileSync(file, line('two').slice(20)),
      () => {
        renameSync(file, `${file}.1`)
        writeFileSync(file, line('three'))
      },
      () => {
        appendFileSync(file, line('four'))
        running = false
      },
    ]
    let text = ''
    steps.shift()!()
    for await (const piece of readLog(
      { path: file, running: () => running, clock, signal: new AbortController().signal },
      { ...all, follow: true },
    )) {
      text += piece.toString()
      steps.shift()?.()
    }
    assert.equal(text, 'one\ntwo\nthree\nfour\n')
  })

  test('stops following when told to', async () => {
    const stop = new AbortController()
    const source = { path: path(line('one')), running: () => true, clock, signal: stop.signal }
    let text = ''
    for await (const piece of readLog(source, { ...all, follow: true })) {
      text += piece.toString()
      stop.abort()
    }
    assert.equal(text, 'one\n')
  })

  test('refuses a file that is no log', async () => {
    await assert.rejects(read('x'.repeat(2_000_000), {}), /longer than/)
  })
})
