import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { SourceLoader } from './source-loader.ts'

const FILES = {
  'main.ts': `import { count } from '#room/count.ts'
import { join } from 'node:path'
export const start: () => Promise<string> = async () => join(count(2), (await import('./room/late.ts')).late, (await import('node:os')).EOL.trim())`,
  'room/count.ts': `import { word } from './word.ts'
export function count(many: number): string { return \`\${many} \${word(many)}\` }`,
  'room/word.ts': `export function word(many: number): string { return many === 1 ? 'file' : 'files' }`,
  'room/late.ts': `export const late: string = 'late'`,
  'room/a.ts': `import { b } from './b.ts'\nexport const a = b`,
  'room/b.ts': `import { a } from './a.ts'\nexport const b = a`,
  'room/broken.ts': `throw new RangeError('at the top')\nexport const never = 1`,
}

interface Program {
  load<T>(specifier: string): T
  keep(): void
}

interface Main {
  start(): Promise<string>
}

function program(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'loader-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const root = join(directory, 'src/')
  /** All at one time: only their size tells what is written later from what was there. */
  const write = (file: string, text: string) => {
    mkdirSync(dirname(root + file), { recursive: true })
    writeFileSync(root + file, text)
    utimesSync(root + file, 1e9, 1e9)
  }
  for (const [file, text] of Object.entries(FILES)) write(file, text)
  const kept = join(directory, 'kept')
  return {
    write,
    root,
    kept,
    /** Of what an earlier start kept, if it may have. */
    begin: () => new SourceLoader(pathToFileURL(root).href, kept) as Program,
    keptFile: () => join(kept, readdirSync(kept)[0]!),
  }
}

const started = (loader: Program) => loader.load<Main>('#main.ts').start()

test('SourceLoader loads a program, and again from what it kept', async (t) => {
  const { begin, kept } = program(t)
  for (let start = 0; start < 3; start++) {
    const loader = begin()
    assert.equal(await started(loader), '2 files/late')
    assert.equal(loader.load('#main.ts'), loader.load('#main.ts'))
    loader.keep()
    assert.equal(readdirSync(kept).length, 1)
  }
})

test('SourceLoader takes what it kept for as long as nothing has changed', async (t) => {
  const { begin, write, keptFile } = program(t)
  const first = begin()
  await started(first)
  first.keep()
  // The same size and time of change, whatever is in it.
  write('room/word.ts', FILES['room/word.ts'].replace(`'files'`, `'FILES'`))
  const before = readFileSync(keptFile())
  const second = begin()
  assert.equal(await started(second), '2 files/late')
  second.keep()
  assert.deepEqual(readFileSync(keptFile()), before)
  write('room/word.ts', FILES['room/word.ts'].replace(`'files'`, `'of them'`))
  const third = begin()
  assert.equal(await started(third), '2 of them/late')
  third.keep()
  assert.equal(await started(begin()), '2 of them/late')
})

test('SourceLoader keeps what is loaded later beside the rest', async (t) => {
  const { begin } = program(t)
  const first = begin()
  first.load('#room/count.ts')
  first.keep()
  const second = begin()
  await started(second)
  second.keep()
  // From here on it reads from the disk what it needs.
  assert.equal(await started(second), '2 files/late')
  const third = begin()
  third.keep()
  assert.equal(await started(third), '2 files/late')
})

test('SourceLoader keeps a text of every file of the program, and its code once it was asked for', async (t) => {
  const { begin, keptFile, write } = program(t)
  const first = begin()
  first.load('#room/count.ts')
  first.keep()
  const before = readFileSync(keptFile()).length
  // The same size and time: what it says now would be seen if it were read.
  write('room/late.ts', FILES['room/late.ts'].replace(`'late'`, `'LATE'`))
  const second = begin()
  assert.equal(await started(second), '2 files/late')
  second.keep()
  assert.ok(readFileSync(keptFile()).length > before)
})

test('SourceLoader keeps what other processes have kept since it began', async (t) => {
  const { begin, keptFile } = program(t)
  const [one, other] = [begin(), begin()]
  await started(one)
  other.load('#room/word.ts')
  one.keep()
  const all = readFileSync(keptFile()).length
  other.keep()
  assert.ok(readFileSync(keptFile()).length >= all)
  const third = begin()
  await started(third)
  const before = readFileSync(keptFile())
  third.keep()
  assert.deepEqual(readFileSync(keptFile()), before)
})

test('SourceLoader does without what was kept by others, for others to write, or not whole', async (t) => {
  const { begin, keptFile, write } = program(t)
  const keep = async () => {
    const loader = begin()
    await started(loader)
    loader.keep()
  }
  await keep()
  write('room/word.ts', FILES['room/word.ts'].replace(`'files'`, `'FILES'`))
  for (const spoil of [
    () => chmodSync(keptFile(), 0o620),
    () => chmodSync(keptFile(), 0o602),
    () => truncateSync(keptFile(), 4),
    () => truncateSync(keptFile(), 100),
    () => writeFileSync(keptFile(), Buffer.alloc(1000)),
    () => writeFileSync(keptFile(), readFileSync(keptFile(), 'latin1').replace(process.version, 'v0.0.0'), 'latin1'),
  ]) {
    spoil()
    assert.equal(await started(begin()), '2 FILES/late', String(spoil))
    rmSync(dirname(keptFile()), { recursive: true })
    await keep()
  }
  assert.equal(statSync(keptFile()).mode & 0o777, 0o600)
})

test('SourceLoader goes on where nothing can be kept', async (t) => {
  const { root, kept } = program(t)
  writeFileSync(kept, 'a file where a folder should be')
  for (const keep of [undefined, kept]) {
    const loader = new SourceLoader(pathToFileURL(root).href, keep) as Program
    assert.equal(await started(loader), '2 files/late')
    loader.keep()
  }
})

test('SourceLoader refuses files that import each other, and throws what a file throws as often as it is asked for', (t) => {
  const loader = program(t).begin()
  assert.throws(() => loader.load('#room/a.ts'), /room\/a\.ts imports what imports it/)
  for (let i = 0; i < 2; i++)
    assert.throws(() => loader.load('#room/broken.ts'), { name: 'RangeError', message: 'at the top', stack: /src\/room\/broken\.ts:1:/ })
})
