// A real cluster for a test: `./sampan up` in network and mount namespaces of its own, so that tests never meet each other or the machine's
// own network, with every kubectl of this machine ready to talk to it. Disposing stops it and checks that nothing is left.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pinned } from './clients/pinned.ts'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Against what hangs, no measure of speed: a machine may be slow, and busy with other tests. */
const PATIENCE_MS = 600_000

export interface Output {
  code: number
  stdout: string
  stderr: string
}

/** Why real nodes cannot be tested here, or false. */
export const noRealNode: string | false =
  process.platform !== 'linux'
    ? 'real nodes need Linux'
    : process.getuid?.() !== 0
      ? 'real nodes need root'
      : existsSync('/usr/bin/unshare')
        ? false
        : 'unshare is not installed'

/** Every kubectl here, oldest first: the one on the PATH, versions that lie beside it as `kubectl.1.N`, and those that were fetched. */
export function kubectls({ fetched = true } = {}): string[] {
  const named = process.env.SAMPAN_KUBECTL?.split(':').filter(Boolean)
  return named?.length ? named : [...kubectlsOnPath(), ...(fetched ? pinned('kubectl') : [])]
}

function kubectlsOnPath(): string[] {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const found = join(folder, 'kubectl')
    if (!existsSync(found)) continue
    const home = dirname(realpathSync(found))
    const versions = readdirSync(home).filter((name) => /^kubectl\.1\.\d+$/.test(name))
    return versions.length > 0 ? versions.toSorted((a, b) => minor(a) - minor(b)).map((name) => join(home, name)) : [found]
  }
  return []
}

export const noKubectl: string | false = kubectls().length > 0 ? false : 'no kubectl on this machine'
function minor(name: string): number {
  return Number(name.split('.').at(-1))
}

export function run(
  argv: readonly string[],
  options: { input?: string; env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<Output> {
  const child = spawn(argv[0]!, argv.slice(1), {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? PATIENCE_MS,
    killSignal: 'SIGKILL',
  })
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  return collect(child)
}

async function collect(child: ChildProcess): Promise<Output> {
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text) => (stdout += text))
  child.stderr!.setEncoding('utf8').on('data', (text) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, stdout, stderr }
}

export interface InstanceOptions {
  nodes: 'real' | `simulated:${number}` | 'none'
  args?: string[]
  /** Reuse a directory of an earlier instance. */
  directory?: string
}

export class Instance implements AsyncDisposable {
  readonly directory: string
  readonly kubeconfig: string
  readonly #options: InstanceOptions
  readonly #holder: ChildProcess
  #up: ChildProcess | undefined
  output = ''

  private constructor(options: InstanceOptions, holder: ChildProcess) {
    this.#options = options
    this.#holder = holder
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), 'sampan-interop-'))
    this.kubeconfig = join(this.directory, 'kubeconfig')
  }

  static async start(options: InstanceOptions): Promise<Instance> {
    // The holder keeps the namespaces alive over kills and restarts of the cluster inside them.
    const real = noRealNode === false
    const holder = real
      ? spawn('unshare', [
          '--net',
          '--mount',
          '--propagation',
          'private',
          'sh',
          '-c',
          'ip link set lo up && mkdir -p /run/netns && mount -t tmpfs none /run/netns && echo held && exec sleep infinity',
        ])
      : spawn('sh', ['-c', 'echo held && exec sleep infinity'])
    await Promise.race([once(holder.stdout!, 'data'), once(holder, 'exit').then(([code]) => assert.fail(`unshare ended with ${code}`))])
    const instance = new Instance(options, holder)
    try {
      await instance.up()
    } catch (error) {
      await instance[Symbol.asyncDispose]()
      throw error
    }
    return instance
  }

  /** Runs a program inside the instance's namespaces. */
  inside(argv: readonly string[], options: { input?: string; timeoutMs?: number; env?: Record<string, string> } = {}): Promise<Output> {
    return run([...this.#enter(), ...argv], options)
  }

  spawnInside(argv: readonly string[]): ChildProcess {
    const [program, ...rest] = [...this.#enter(), ...argv]
    return spawn(program!, rest, { stdio: ['pipe', 'pipe', 'pipe'] })
  }

  #enter(): string[] {
    return noRealNode === false ? ['nsenter', '--target', String(this.#holder.pid), '--net', '--mount', '--'] : []
  }

  get pid(): number {
    return this.#up!.pid!
  }

  async up(): Promise<void> {
    const words = [
      join(root, 'sampan'),
      'up',
      '--data-dir',
      this.directory,
      '--kubeconfig',
      this.kubeconfig,
      '--nodes',
      this.#options.nodes,
      '--yes',
      ...(this.#options.args ?? []),
    ]
    this.output = ''
    const child = this.spawnInside(words)
    this.#up = child
    const ready = Promise.withResolvers<void>()
    const hear = (text: string) => {
      this.output += text
      if (/^ready in \d+ ms$/m.test(this.output)) ready.resolve()
    }
    child.stdout!.setEncoding('utf8').on('data', hear)
    child.stderr!.setEncoding('utf8').on('data', hear)
    child.on('exit', (code) => ready.reject(new Error(`sampan up ended with ${code}:\n${this.output}`)))
    const late = setTimeout(() => ready.reject(new Error(`not ready in time:\n${this.output}`)), PATIENCE_MS)
    try {
      await ready.promise
    } finally {
      clearTimeout(late)
    }
  }

  async kill(): Promise<void> {
    const child = this.#up!
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async down(): Promise<Output> {
    const child = this.#up!
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    const result = await this.inside([join(root, 'sampan'), 'down', '--data-dir', this.directory])
    await ended
    return result
  }

  /** kubectl of any version; the newest unless said. */
  kubectl(
    words: readonly string[] | string,
    options: { input?: string; program?: string; timeoutMs?: number; env?: Record<string, string> } = {},
  ): Promise<Output> {
    const list = typeof words === 'string' ? words.split(' ') : words
    return this.inside(
      [
        options.program ?? kubectls().at(-1)!,
        `--kubeconfig=${this.kubeconfig}`,
        `--cache-dir=${join(this.directory, 'kubectl-cache')}`,
        ...list,
      ],
      options,
    )
  }

  /** kubectl that must succeed; answers its output. */
  async ok(words: readonly string[] | string, options: { input?: string; program?: string; timeoutMs?: number } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(words, options)
    assert.equal(code, 0, `kubectl ${typeof words === 'string' ? words : words.join(' ')} ended with ${code}:\n${stdout}${stderr}`)
    return stdout
  }

  /** What a stopped instance must not leave behind inside its namespaces. */
  async leftovers(): Promise<string[]> {
    if (noRealNode) return []
    const [links, tables, mounts, processes] = await Promise.all([
      this.inside(['ip', '-o', 'link']),
      this.inside(['nft', 'list', 'tables']),
      this.inside(['cat', '/proc/self/mounts']),
      run(['pgrep', '-f', '-a', this.directory]),
    ])
    return [
      ...links.stdout
        .split('\n')
        .filter(
          (line) => line && !/^\d+: lo:/.test(line) && !/: (sit0|tunl0|ip6tnl0|gre0|gretap0|erspan0|ip_vti0|ip6_vti0|ip6gre0)@/.test(line),
        )
        .map((line) => `link ${line}`),
      ...tables.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => `nft ${line}`),
      ...mounts.stdout
        .split('\n')
        .filter((line) => line.includes(this.directory) || line.includes('/run/netns/cni'))
        .map((line) => `mount ${line}`),
      ...processes.stdout
        .split('\n')
        .filter((line) => line && !/pgrep|kubectl/.test(line))
        .map((line) => `process ${line}`),
    ]
  }

  log(): string {
    try {
      return readFileSync(join(this.directory, 'sampan.log'), 'utf8')
    } catch {
      return ''
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#up && this.#up.exitCode === null && this.#up.signalCode === null) await this.down()
    this.#holder.kill('SIGKILL')
    if (!this.#options.directory) rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Asks again until it answers something true; fails with the last error or value after the limit. */
export async function eventually<T>(
  ask: () => Promise<T | undefined | false>,
  { within = PATIENCE_MS / 2, what = 'the condition' } = {},
): Promise<T> {
  const began = performance.now()
  let last: unknown
  for (;;) {
    try {
      const value = await ask()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    if (performance.now() - began > within) throw new Error(`${what} did not hold within ${within / 1000} s`, { cause: last })
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
