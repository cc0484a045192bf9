import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { CORE_SCHEMA, load } from 'js-yaml'
import { CommandError } from './errors.ts'
import { mergeKubeconfig, removeFromKubeconfig, userKubeconfig } from './kubeconfig-file.ts'

const root = mkdtempSync(join(tmpdir(), 'sampan-kubeconfig-'))
after(() => rmSync(root, { recursive: true, force: true }))
const credentials = { url: 'https://127.0.0.1:6443', ca: 'CA', certificate: 'CERT', key: 'KEY' }
const OTHER = `# mine\napiVersion: v1\nkind: Config\nclusters:\n- name: work\n  cluster: {server: https://work}\nusers: []\ncontexts:\n- {name: work, context: {cluster: work}}\ncurrent-context: work\npreferences: {}\n`
const read = (file: string) => load(readFileSync(file, 'utf8'), { schema: CORE_SCHEMA }) as Record<string, any>

function setUp(text?: string): { file: string; undo: string } {
  const directory = mkdtempSync(join(root, 'case-'))
  const undo = mkdtempSync(join(root, 'undo-'))
  const file = join(directory, 'config')
  if (text !== undefined) writeFileSync(file, text, { mode: 0o640 })
  return { file, undo }
}

test('mergeKubeconfig adds the context beside what is there, makes it current and keeps the mode', () => {
  const { file, undo } = setUp(OTHER)
  mergeKubeconfig(file, credentials, undo)
  const config = read(file)
  assert.equal(config['current-context'], 'sampan')
  assert.deepEqual(
    config.contexts.map(({ name }: { name: string }) => name),
    ['work', 'sampan'],
  )
  assert.equal(config.clusters[1].cluster.server, credentials.url)
  assert.equal(Buffer.from(config.users[0].user['client-key-data'], 'base64').toString(), 'KEY')
  assert.equal(statSync(file).mode & 0o777, 0o640)
})

/** Holds the lock of the file, then writes `text` and gives it back. Resolves while it is held. */
async function otherWriter(file: string, text: string): Promise<Worker> {
  const work = `
    const { rmSync, writeFileSync } = require('node:fs')
    const { parentPort, workerData: { file, text } } = require('node:worker_threads')
    writeFileSync(file + '.lock', '')
    parentPort.postMessage('held')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
    writeFileSync(file, text)
    rmSync(file + '.lock')`
  const worker = new Worker(work, { eval: true, workerData: { file, text } })
  await once(worker, 'message')
  return worker
}

test('mergeKubeconfig and removeFromKubeconfig wait for others who write the file', async () => {
  const { file, undo } = setUp()
  const first = await otherWriter(file, OTHER)
  mergeKubeconfig(file, credentials, undo)
  await once(first, 'exit')
  const both = read(file)
  const names = () => read(file).contexts.map(({ name }: { name: string }) => name)
  assert.deepEqual(names(), ['work', 'sampan'])
  const second = await otherWriter(file, JSON.stringify({ ...both, contexts: [...both.contexts, { name: 'later', context: {} }] }))
  removeFromKubeconfig(undo)
  await once(second, 'exit')
  assert.deepEqual(names(), ['work', 'later'])
  assert.deepEqual(readdirSync(dirname(file)), ['config'])
})

test("removeFromKubeconfig makes the user's own context current again, in whatever order clusters are stopped", () => {
  for (const order of [
    [0, 1, 2],
    [1, 0, 2],
    [2, 1, 0],
    [0, 2, 1],
  ]) {
    const { file } = setUp(OTHER)
    const undos = [0, 1, 2].map((count) => {
      const { undo } = setUp()
      mergeKubeconfig(file, { ...credentials, ca: `CA ${count}`, url: `https://127.0.0.1:${7000 + count}` }, undo)
      return undo
    })
    for (const count of order) removeFromKubeconfig(undos[count]!)
    const { 'current-context': current, contexts } = read(file)
    assert.deepEqual([current, contexts.length], ['work', 1], order.join())
  }
})

test('mergeKubeconfig takes the file from everybody who is neither its owner nor of its group', () => {
  const { file, undo } = setUp(OTHER)
  chmodSync(file, 0o664)
  mergeKubeconfig(file, credentials, undo)
  assert.equal(statSync(file).mode & 0o777, 0o660)
})

test('removeFromKubeconfig restores the file byte for byte, even when a crash let two merges follow each other', () => {
  const { file, undo } = setUp(OTHER)
  mergeKubeconfig(file, credentials, undo)
  mergeKubeconfig(file, { ...credentials, url: 'https://127.0.0.1:7777' }, undo)
  removeFromKubeconfig(undo)
  assert.equal(readFileSync(file, 'utf8'), OTHER)
  assert.deepEqual(readdirSync(undo), [])
})

test('removeFromKubeconfig removes the file where there was none before', () => {
  const { file, undo } = setUp()
  mergeKubeconfig(file, credentials, undo)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  removeFromKubeconfig(undo)
  assert.equal(existsSync(file), false)
})

test('removeFromKubeconfig takes out only its own entries when somebody else has written since', () => {
  const { file, undo } = setUp(OTHER)
  mergeKubeconfig(file, credentials, undo)
  writeFileSync(file, readFileSync(file, 'utf8').replace('preferences: {}', 'preferences: {colors: true}'))
  removeFromKubeconfig(undo)
  const config = read(file)
  assert.deepEqual(
    config.contexts.map(({ name }: { name: string }) => name),
    ['work'],
  )
  assert.equal(config['current-context'], 'work')
  assert.deepEqual(config.preferences, { colors: true })
})

test('mergeKubeconfig refuses a file that is no kubeconfig and leaves it alone', () => {
  for (const text of ['a: [', '- list\n']) {
    const { file, undo } = setUp(text)
    assert.throws(() => mergeKubeconfig(file, credentials, undo), CommandError)
    assert.equal(readFileSync(file, 'utf8'), text)
  }
})

test('mergeKubeconfig leaves the context of another cluster alone, and removeFromKubeconfig takes out the own one only, in any order', () => {
  const second = { ...credentials, url: 'https://127.0.0.1:7777', ca: 'CA2' }
  const names = (file: string) => [read(file)['current-context'], ...read(file).contexts.map(({ name }: { name: string }) => name)]
  for (const order of ['the first goes first', 'the second goes first']) {
    const { file, undo } = setUp(OTHER)
    const otherUndo = mkdtempSync(join(root, 'undo-'))
    assert.equal(mergeKubeconfig(file, credentials, undo), 'sampan')
    assert.equal(mergeKubeconfig(file, second, otherUndo), 'sampan-2')
    assert.deepEqual(names(file), ['sampan-2', 'work', 'sampan', 'sampan-2'])
    const [first, last] = order === 'the first goes first' ? [undo, otherUndo] : [otherUndo, undo]
    removeFromKubeconfig(first)
    assert.deepEqual(names(file), first === undo ? ['sampan-2', 'work', 'sampan-2'] : ['sampan', 'work', 'sampan'], order)
    removeFromKubeconfig(last)
    assert.deepEqual(names(file), ['work', 'work'], order)
  }
})

test('mergeKubeconfig replaces the context of a cluster that was at its own address', () => {
  const { file, undo } = setUp()
  mergeKubeconfig(file, credentials, undo)
  assert.equal(mergeKubeconfig(file, { ...credentials, ca: 'CA2' }, mkdtempSync(join(root, 'undo-'))), 'sampan')
  assert.equal(read(file).clusters.length, 1)
})

test('mergeKubeconfig says what to do when it cannot write', () => {
  const { file, undo } = setUp('')
  assert.throws(
    () => mergeKubeconfig(join(file, 'config'), credentials, undo),
    (error) => error instanceof CommandError && error.message.endsWith('not a directory. Mend that, or use --kubeconfig FILE.'),
  )
})

test('userKubeconfig is what kubectl would write to', () => {
  assert.equal(userKubeconfig({ KUBECONFIG: ':/a:/b', HOME: '/h' }), '/a')
  assert.equal(userKubeconfig({ HOME: '/h' }), '/h/.kube/config')
  assert.equal(userKubeconfig({}), join(userInfo().homedir, '.kube/config'))
})

test('userKubeconfig is under sudo that of whoever called sudo, unless HOME says otherwise', () => {
  const home = mkdtempSync(join(root, 'home-'))
  const users = join(home, 'passwd')
  writeFileSync(users, `root:x:0:0::/root:/bin/sh\nann:x:1234:1234:Ann,,,:${home}:/bin/sh\nbob:x:1235:1235::/gone/bob:/bin/sh\n`)
  const own = userInfo().homedir
  for (const [environment, where] of [
    [{ SUDO_UID: '1234', HOME: own }, home],
    [{ SUDO_UID: '1234' }, home],
    [{ SUDO_UID: '1234', HOME: '/h' }, '/h'],
    [{ SUDO_UID: '1235', HOME: own }, own],
    [{ SUDO_UID: '9', HOME: own }, own],
  ] as const)
    assert.equal(userKubeconfig(environment, { users }), join(where, '.kube/config'))
  assert.equal(userKubeconfig({ SUDO_UID: '1234', KUBECONFIG: '/a' }, { users }), '/a')
})

test('mergeKubeconfig leaves what it writes to the owner of the place', { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
  const home = mkdtempSync(join(root, 'home-'))
  const { undo } = setUp()
  const file = join(home, '.kube', 'config')
  const owner = (path: string) => [statSync(path).uid, statSync(path).gid]
  chownSync(home, 1234, 1235)
  mergeKubeconfig(file, credentials, undo)
  assert.deepEqual(
    [owner(file), owner(join(home, '.kube'))],
    [
      [1234, 1235],
      [1234, 1235],
    ],
  )
  removeFromKubeconfig(undo)
  writeFileSync(file, OTHER)
  chownSync(file, 4321, 4321)
  mergeKubeconfig(file, credentials, undo)
  assert.deepEqual(owner(file), [4321, 4321])
  removeFromKubeconfig(undo)
  assert.deepEqual(owner(file), [4321, 4321])
})
