// Puts the cluster's context into the user's kubeconfig atomically, and takes it out again without a trace: byte for byte where nobody
// else has written in between, entry by entry otherwise.
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { CORE_SCHEMA, dump, load } from 'js-yaml'
import { makeDirectories } from '#lib/make-directories.ts'
import { systemReason } from '#lib/system-reason.ts'
import { CommandError } from './errors.ts'

const NAME = 'sampan'
const EXTENSION = 'sampan.dev'
const LOCK_LOOK_MS = 10
const LOCK_LONGEST_MS = 5000

export interface Credentials {
  url: string
  ca: string
  certificate: string
  key: string
}

interface Named {
  name: string
}

interface NamedCluster extends Named {
  cluster?: { server?: string; 'certificate-authority-data'?: string }
}

interface NamedContext extends Named {
  context?: { extensions?: (Named & { extension?: { previous?: string } })[] | null }
}

interface Kubeconfig {
  apiVersion?: string
  kind?: string
  clusters?: Named[] | null
  users?: Named[] | null
  contexts?: NamedContext[] | null
  'current-context'?: string
  [other: string]: unknown
}

/** What is needed to undo the merge; kept in the data directory. */
interface Undo {
  file: string
  /** Of our entries; absent: `sampan`. */
  name?: string
  /** The whole file as it was; absent: there was none. */
  before?: string
  /** Of what the merge wrote. */
  hash: string
}

export function kubeconfigFor(credentials: Credentials): string {
  return dump(merged({}, { credentials, name: NAME }), { lineWidth: -1 })
}

/** Merges into `file`, makes the context current, notes in `undoDirectory` how to undo it, and returns the context's name. */
export function mergeKubeconfig(file: string, credentials: Credentials, undoDirectory: string): string {
  try {
    return merge(file, credentials, undoDirectory)
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`the kubeconfig ${file} cannot be written: ${systemReason(error)}. Mend that, or use --kubeconfig FILE.`)
  }
}

function merge(file: string, credentials: Credentials, undoDirectory: string): string {
  const target = existsSync(file) ? realpathSync(file) : file
  ensureFolder(target)
  return alone(target, () => mergeAlone(target, credentials, undoDirectory))
}

function mergeAlone(target: string, credentials: Credentials, undoDirectory: string): string {
  const before = existsSync(target) ? readFileSync(target, 'utf8') : undefined
  const previousUndo = readUndo(undoDirectory)
  const present = parse(target, before)
  const name = freeName(present, credentials)
  const text = dump(merged(present, { credentials, name }), { lineWidth: -1 })
  if (text !== before) {
    // After a crash the file still holds our own entries: what it was before the first merge is what counts.
    const original =
      previousUndo?.file === target && before !== undefined && hashOf(before) === previousUndo.hash ? previousUndo.before : before
    writeFileSync(
      undoFile(undoDirectory),
      JSON.stringify({ file: target, name, before: original, hash: hashOf(text) } satisfies DraftUndo),
      {
        mode: 0o600,
      },
    )
    // There is an administrator's key in it now: whoever else may read it, not everybody on the machine.
    writeAtomically(target, text, before === undefined ? 0o600 : statSync(target).mode & 0o770)
  }
  return name
}

type DraftUndo = Omit<Undo, 'before'> & { before: string | undefined }

export function removeFromKubeconfig(undoDirectory: string): void {
  const undo = readUndo(undoDirectory)
  if (!undo) return
  if (existsSync(undo.file)) alone(undo.file, () => takeOut(undo))
  rmSync(undoFile(undoDirectory), { force: true })
}

function takeOut(undo: Undo): void {
  if (!existsSync(undo.file)) return
  const present = readFileSync(undo.file, 'utf8')
  if (hashOf(present) === undo.hash) {
    if (undo.before === undefined) rmSync(undo.file)
    else writeAtomically(undo.file, undo.before, statSync(undo.file).mode & 0o777)
  } else {
    writeAtomically(undo.file, dump(without(parse(undo.file, present), undo), { lineWidth: -1 }), statSync(undo.file).mode & 0o777)
  }
}

/** Nobody else writes the file meanwhile: other clusters that start and stop, and kubectl, which locks it the same way. */
function alone<T>(file: string, work: () => T): T {
  const lock = `${file}.lock`
  const taken = takeLock(lock)
  try {
    return work()
  } finally {
    if (taken) rmSync(lock, { force: true })
  }
}

/** Whoever has held it for that long is gone. Where it cannot be made the file cannot be written either, which says more. */
function takeLock(lock: string): boolean {
  for (let waitedMs = 0; ; waitedMs += LOCK_LOOK_MS) {
    try {
      writeFileSync(lock, '', { mode: 0o600, flag: 'wx' })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false
    }
    if (waitedMs >= LOCK_LONGEST_MS) rmSync(lock, { force: true })
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_LOOK_MS)
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/** The file that `kubectl` would write to; under sudo that of whoever called sudo. `users` is /etc/passwd. */
export function userKubeconfig(environment: Environment, { users = '/etc/passwd' }: { users?: string } = {}): string {
  const listed = environment.KUBECONFIG?.split(':').find((one) => one !== '')
  return listed ?? join(homeOf(environment, users), '.kube', 'config')
}

function homeOf({ HOME: home = '', SUDO_UID: caller }: Environment, users: string): string {
  if (caller && (home === '' || home === homedir())) {
    const entries = existsSync(users) ? readFileSync(users, 'utf8').split('\n') : []
    const called = entries.map((line) => line.split(':')).find((fields) => fields[2] === caller)?.[5]
    if (called && existsSync(called)) return called
  }
  return home || homedir()
}

/**
 * The first of sampan, sampan-2 ... that is nobody's or this cluster's: a second cluster leaves the first one's context alone. One at the
 * same address is gone, since the address is ours now.
 */
function freeName({ clusters }: Kubeconfig, { url, ca }: Credentials): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? NAME : `${NAME}-${count}`
    const cluster = (clusters as NamedCluster[] | null | undefined)?.find((one) => one.name === name)?.cluster
    if (!cluster || cluster['certificate-authority-data'] === base64(ca) || cluster.server === url) return name
  }
}

function merged(config: Kubeconfig, { credentials, name }: { credentials: Credentials; name: string }): Kubeconfig {
  const { url, ca, certificate, key } = credentials
  const previous = usersOwn(config)
  const extensions = previous ? { extensions: [{ name: EXTENSION, extension: { previous } }] } : {}
  return {
    ...config,
    apiVersion: 'v1',
    kind: 'Config',
    clusters: replace(config.clusters, { name, cluster: { server: url, 'certificate-authority-data': base64(ca) } }),
    users: replace(config.users, { name, user: { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) } }),
    contexts: replace(config.contexts, { name, context: { cluster: name, user: name, ...extensions } }),
    'current-context': name,
  }
}

function without(config: Kubeconfig, undo: Undo): Kubeconfig {
  const own = undo.name ?? NAME
  const keep = (list: Named[] | null | undefined) => (list ?? []).filter(({ name }) => name !== own)
  const contexts = keep(config.contexts)
  const before = undo.before === undefined ? {} : parse(undo.file, undo.before)
  // What was current then may have gone since, as the context of another cluster has that was stopped before this one.
  const previous = [before['current-context'], usersOwn(before)].find((one) => contexts.some(({ name }) => name === one))
  return {
    ...config,
    clusters: keep(config.clusters),
    users: keep(config.users),
    contexts,
    'current-context': (config['current-context'] === own ? previous : config['current-context']) ?? '',
  }
}

/** The context that was current before any cluster of ours: each one's context says so, for the next to know when the first has gone. */
function usersOwn({ contexts, 'current-context': current }: Kubeconfig): string | undefined {
  const extensions = contexts?.find(({ name }) => name === current)?.context?.extensions
  return extensions?.find(({ name }) => name === EXTENSION)?.extension?.previous ?? current
}

function replace<T extends Named>(list: Named[] | null | undefined, entry: T): Named[] {
  return [...(list ?? []).filter(({ name }) => name !== entry.name), entry]
}

function parse(file: string, text: string | undefined): Kubeconfig {
  if (text === undefined || text.trim() === '') return {}
  let value: unknown
  try {
    value = load(text, { schema: CORE_SCHEMA })
  } catch (error) {
    throw new CommandError(
      `the kubeconfig ${file} is not valid YAML (${(error as Error).message.split('\n')[0]}). Mend it, or use --kubeconfig FILE.`,
    )
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CommandError(`the kubeconfig ${file} does not hold a configuration. Mend it, or use --kubeconfig FILE.`)
  return value as Kubeconfig
}

function writeAtomically(file: string, text: string, mode: number): void {
  const owner = ownerOf(file)
  const draft = `${file}.sampan-${process.pid}`
  rmSync(draft, { force: true })
  writeFileSync(draft, text, { mode, flag: 'wx' })
  chmodSync(draft, mode)
  handOver(draft, owner)
  renameSync(draft, file)
}

function ensureFolder(file: string): void {
  const folder = dirname(file)
  if (existsSync(folder)) return
  const owner = ownerOf(file)
  makeDirectories(folder, { mode: 0o700 })
  handOver(folder, owner)
}

/** Whose the file is, or what it would be in. */
function ownerOf(path: string): Stats {
  return statSync(path, { throwIfNoEntry: false }) ?? ownerOf(dirname(path))
}

/** What root writes in somebody's home is theirs. */
function handOver(path: string, { uid, gid }: Stats): void {
  if (process.getuid?.() === 0) chownSync(path, uid, gid)
}

function readUndo(directory: string): Undo | undefined {
  try {
    return JSON.parse(readFileSync(undoFile(directory), 'utf8')) as Undo
  } catch {
    return undefined
  }
}

const base64 = (pem: string) => Buffer.from(pem).toString('base64')
const undoFile = (directory: string) => join(directory, 'kubeconfig-undo.json')
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
