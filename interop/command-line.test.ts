// The command line as a person meets it, wrong words and awkward machines included.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Instance, kubectls, noKubectl, noRealNode, root, run } from './instance.ts'

const home = mkdtempSync(join(tmpdir(), 'sampan-command-line-'))
after(() => rmSync(home, { recursive: true, force: true }))
const sampan = (...words: string[]) => run([join(root, 'sampan'), ...words], { env: { HOME: home, KUBECONFIG: '' } })
const fresh = () => mkdtempSync(join(home, 'data-'))

/** A start that ends before anything runs. */
const ended = (name: string) => ['up', '--nodes', 'none', '--port', '0', '--data-dir', join(home, name)]

const WRONG_WORDS: [words: string[], complaint: RegExp][] = [
  [['up', '--nope'], /unknown option '--nope'/],
  [['up', '--data-dir', ''], /--data-dir is empty: name a directory/],
  [['upp'], /unknown command 'upp'/],
  [['up', '--nodes', 'fake'], /--nodes fake: say real, none, simulated or simulated:N/],
  [['up', '--nodes', 'simulated:0'], /simulated:N with N from 1 to/],
  [['up', '--port', 'http'], /--port http: a port is a number/],
  [['up', '--store', 'etcd:2379'], /--store etcd:2379: write it as etcd:http:\/\/127\.0\.0\.1:2379/],
  [['up', '--store', 'memory', '--etcd-cafile', 'ca.crt'], /--etcd-cafile is for --store etcd:URLS only/],
  [['controllers', '--pki-dir', '/does/not/exist'], /--pki-dir \/does\/not\/exist: there is no ca\.key in it/],
  [['node', 'simulate', '--count', 'many'], /--count many: a whole number from 1 to 10000/],
  [['node', 'simulate', '--count', '0'], /--count 0/],
  [['node', 'simulate', '--count', '10001'], /--count 10001/],
  [['node', 'simulate', '--first-subnet', '33024'], /--first-subnet 33024: a whole number from 0 to 33023/],
  [['node', 'simulate', '--first-subnet', '-1'], /--first-subnet -1/],
  [['node', 'simulate', '--name-prefix', 'Foo'], /--name-prefix Foo/],
  [['node', 'simulate', '--name-prefix', 'a'.repeat(53)], /at most 52/],
  [['up', '--clock', 'fast'], /--clock fast: say real or virtual/],
  [['up', '--clock', 'virtual', '--nodes', 'real'], /--clock virtual: containers live in real time/],
  [['clock', 'advance', 'soon'], /soon: a duration is written as/],
  [['clock', 'advance', '367d'], /367d: 366 days at most/],
  [['up', 'extra'], /too many arguments/],
  [['image', 'load'], /missing required argument 'file.tar'/],
  [[...ended('a'), '--encryption-provider-config', '/nowhere'], /--encryption-provider-config \/nowhere: no such file or directory$/m],
  [
    [...ended('b'), '--audit-log-path', '-', '--audit-policy-file', '/nowhere'],
    /--audit-policy-file \/nowhere: no such file or directory$/m,
  ],
]

describe('the command line', { concurrency: 2 }, () => {
  for (const [words, complaint] of WRONG_WORDS) {
    test(`sampan ${words.join(' ')} is refused with exit code 2`, async () => {
      const { code, stdout, stderr } = await sampan(...words)
      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.match(stderr, /^sampan: /)
      assert.match(stderr, complaint)
    })
  }

  test('sampan help names every command', async () => {
    const { code, stdout } = await sampan('--help')
    assert.equal(code, 0)
    for (const command of [
      'up',
      'down',
      'status',
      'doctor',
      'kubeconfig',
      'version',
      'reset',
      'image',
      'clock',
      'server',
      'controllers',
      'scheduler',
      'node',
    ])
      assert.match(stdout, new RegExp(`^  ${command} `, 'm'))
  })

  for (const [words, hint] of [
    [['upp'], 'sampan --help'],
    [['up', '--nope'], 'sampan up --help'],
    [['image', 'lod'], 'sampan image --help'],
    [['image', 'load'], 'sampan image load --help'],
  ] as const)
    test(`sampan ${words.join(' ')} is followed by where the right words are`, async () => {
      assert.match((await sampan(...words)).stderr, new RegExp(`^Run \`${hint}\` to see `, 'm'))
    })

  test('sampan up --help shows first what most people need', async () => {
    const { stdout } = await sampan('up', '--help')
    const at = ['--nodes <what>', '--store <what>', '--oidc-issuer-url <url>', '--audit-policy-file <file>'].map((flag) =>
      stdout.indexOf(flag),
    )
    assert.deepEqual(
      at,
      at.toSorted((a, b) => a - b),
    )
    assert.ok(at[0]! > 0)
  })

  test('sampan up refuses a data directory in a place that denies what is made in it', { skip: process.platform !== 'linux' }, async () => {
    const { code, stderr } = await sampan('up', '--nodes', 'none', '--port', '0', '--data-dir', '/proc/nobody/here')
    assert.equal(code, 1)
    assert.match(stderr, /^sampan: the data directory \/proc\/nobody\/here cannot be used: no such file or directory/)
  })

  test('sampan version tells its own and the Kubernetes version', async () => {
    const { code, stdout } = await sampan('version')
    assert.equal(code, 0)
    assert.equal((await sampan('--version')).stdout, stdout)
    assert.match(stdout, /^sampan \d+\.\d+\.\d+ \(Kubernetes v1\.36\.\d+, Node v2\d/)
  })

  test('sampan doctor gives a verdict on everything a real node needs', async () => {
    const { code, stdout } = await sampan('doctor', '--data-dir', fresh())
    assert.ok(code === 0 || code === 1)
    for (const what of ['Node.js', 'system', 'user', 'data directory', 'port'])
      assert.match(stdout, new RegExp(`^(ok|FAIL|note) +${what} `, 'm'))
  })

  test('sampan up --clock virtual lets time stand still until it is advanced, and goes on from there after a restart', async () => {
    const directory = fresh()
    const up = async () => {
      const { code, stderr } = await sampan(
        'up',
        '--data-dir',
        directory,
        '--nodes',
        'simulated',
        '--clock',
        'virtual',
        '--port',
        '0',
        '--detach',
      )
      assert.equal(code, 0, stderr)
    }
    const time = async (...words: string[]) => Date.parse((await sampan('clock', ...words, '--data-dir', directory)).stdout.trim())
    await up()
    try {
      // What the start set off is carried to its end first.
      let before = await time('show')
      for (let now = await time('show'); now !== before; now = await time('show')) before = now
      const advanced = await time('advance', '2h')
      assert.ok(advanced >= before + 7_200_000)
      process.kill(JSON.parse(readFileSync(join(directory, 'instance.json'), 'utf8')).pid, 'SIGKILL')
      await up()
      assert.ok((await time('show')) >= advanced)
    } finally {
      assert.equal((await sampan('down', '--data-dir', directory)).code, 0)
    }
  })

  test('sampan up --detach interrupted before it is ready leaves nothing running', async () => {
    const directory = fresh()
    // Of an etcd that takes connections and never answers, a start waits.
    const silent = createServer()
    const asked = once(silent, 'connection')
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const words = ['--detach', '--nodes', 'none', '--port', '0', '--data-dir', directory, '--store', `etcd:http://127.0.0.1:${port}`]
    const child = spawn(join(root, 'sampan'), ['up', ...words], {
      env: { PATH: process.env.PATH, HOME: home, KUBECONFIG: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const exited = once(child, 'exit')
      const said = text(child.stdout)
      const [connection] = await asked
      child.kill('SIGTERM')
      assert.deepEqual(await exited, [130, null])
      assert.equal(await said, 'stopped before it was ready\n')
      assert.match((await sampan('status', '--data-dir', directory)).stderr, /nothing runs in/)
      connection.destroy()
    } finally {
      child.kill('SIGKILL')
      silent.close()
    }
  })

  test('sampan up stops in order when nobody reads what it says any more', async () => {
    const directory = fresh()
    const child = spawn(join(root, 'sampan'), ['up', '--nodes', 'none', '--port', '0', '--data-dir', directory], {
      env: { PATH: process.env.PATH, HOME: home, KUBECONFIG: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const exited = once(child, 'exit')
    try {
      for await (const said of child.stdout) if (String(said).includes('ready in')) break
      child.stderr.destroy()
      child.kill('SIGHUP')
      const [code] = await Promise.race([exited, sleep(300_000, ['still there'], { ref: false })])
      assert.equal(code, 0)
      const log = join(directory, 'sampan.log')
      assert.doesNotMatch(existsSync(log) ? readFileSync(log, 'utf8') : '', /uncaught exception/)
    } finally {
      child.kill('SIGKILL')
    }
  })

  for (const command of [['status'], ['kubeconfig'], ['image', 'list'], ['clock', 'show']]) {
    test(`sampan ${command.join(' ')} says so when nothing runs`, async () => {
      const { code, stderr } = await sampan(...command, '--data-dir', fresh())
      assert.equal(code, 1)
      assert.match(stderr, /^sampan: nothing runs in .*: start it with `sampan up --data-dir .*`/)
    })
  }

  test('sampan reset refuses a directory that is not its own', async () => {
    const directory = fresh()
    writeFileSync(join(directory, 'precious'), 'x')
    const { code, stderr } = await sampan('reset', '--yes', '--data-dir', directory)
    assert.equal(code, 1)
    assert.match(stderr, /is not a data directory of sampan: nothing deleted/)
    assert.ok(existsSync(join(directory, 'precious')))
  })

  test('sampan reset empties a directory that a link leads to, and keeps both', async () => {
    const [directory, link] = [fresh(), join(home, 'link')]
    for (const name of ['format', 'up.out']) writeFileSync(join(directory, name), '1\n')
    symlinkSync(directory, link)
    const { code, stdout, stderr } = await sampan('reset', '--yes', '--data-dir', link)
    assert.equal(code, 0, stderr)
    assert.equal(stdout, `deleted ${link}\n`)
    assert.deepEqual(readdirSync(link), [])
  })

  test('sampan up names the port that another program has', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const { code, stderr } = await sampan('up', '--nodes', 'simulated', '--port', String(port), '--data-dir', fresh())
    server.close()
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^sampan: port ${port} is taken by another program\\. Choose another with --port`, 'm'))
  })

  test('sampan up refuses data of a newer version and leaves it alone', async () => {
    const directory = fresh()
    writeFileSync(join(directory, 'format'), '99\n')
    const { code, stderr } = await sampan('up', '--nodes', 'none', '--port', '0', '--data-dir', directory)
    assert.equal(code, 1)
    assert.match(stderr, /was written by a newer version \(format 99; this one knows up to 1\)/)
    assert.equal(readFileSync(join(directory, 'format'), 'utf8'), '99\n')
  })

  test('sampan up refuses a damaged store by name', async () => {
    const directory = fresh()
    {
      await using instance = await Instance.start({ nodes: 'none', args: ['--port', '0'], directory })
      assert.match(instance.output, /ready in \d+ ms/)
    }
    const file = join(directory, 'store', 'data.mdb')
    truncateSync(file, Math.floor(statSync(file).size / 2))
    const { code, stderr } = await sampan('up', '--nodes', 'none', '--port', '0', '--data-dir', directory)
    assert.equal(code, 1)
    assert.match(stderr, /^sampan: the store .*data\.mdb is cut short: \d+ bytes of \d+\. Restore it from a backup/m)
  })

  test('sampan up refuses a data directory that cannot be written', {
    skip: process.getuid?.() === 0 ? 'root may write everywhere' : false,
  }, async () => {
    const directory = fresh()
    chmodSync(directory, 0o500)
    const { code, stderr } = await sampan('up', '--nodes', 'none', '--port', '0', '--data-dir', join(directory, 'below'))
    assert.equal(code, 1)
    assert.match(stderr, /cannot be used/)
  })

  test('sampan up refuses damaged credentials by name', async () => {
    const directory = fresh()
    {
      await using _instance = await Instance.start({ nodes: 'none', args: ['--port', '0'], directory })
    }
    const file = join(directory, 'pki', 'ca.key')
    writeFileSync(file, 'no key')
    const { code, stderr } = await sampan('up', '--nodes', 'none', '--port', '0', '--data-dir', directory)
    assert.equal(code, 1)
    assert.match(stderr, /^sampan: .*pki\/ca\.crt or \.key cannot be read: restore both from a backup, or remove both to make new ones/m)
    assert.doesNotMatch(stderr, /^ +at /m)
    assert.equal(readFileSync(file, 'utf8'), 'no key')
  })

  test('sampan up begins with what a full disk left of a first start', async () => {
    const directory = fresh()
    for (const name of ['format', 'instance.json']) writeFileSync(join(directory, name), '')
    await using instance = await Instance.start({ nodes: 'none', args: ['--port', '0'], directory })
    assert.match(instance.output, /ready in \d+ ms/)
  })

  test('sampan up leaves a kubeconfig it cannot read alone, and other clusters in one it can', async () => {
    const own = mkdtempSync(join(home, 'user-'))
    const kubeconfig = join(own, '.kube', 'config')
    mkdirSync(join(own, '.kube'))
    const up = (...words: string[]) => run([join(root, 'sampan'), ...words], { env: { HOME: own, KUBECONFIG: '' } })
    writeFileSync(kubeconfig, '{{{')
    const refused = await up('up', '--nodes', 'none', '--port', '0', '--data-dir', fresh())
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /^sampan: the kubeconfig .* is not valid YAML .*Mend it, or use --kubeconfig FILE/m)
    assert.equal(readFileSync(kubeconfig, 'utf8'), '{{{')
    const others =
      'apiVersion: v1\nkind: Config\n# mine\ncurrent-context: prod\ncontexts: [{name: prod, context: {cluster: prod, user: prod}}]\n'
    writeFileSync(kubeconfig, others)
    const directory = fresh()
    const started = await up('up', '--detach', '--nodes', 'none', '--port', '0', '--data-dir', directory)
    assert.equal(started.code, 0, started.stderr)
    assert.match(readFileSync(kubeconfig, 'utf8'), /current-context: sampan/)
    assert.equal((await up('down', '--data-dir', directory)).code, 0)
    assert.equal(readFileSync(kubeconfig, 'utf8'), others)
  })

  test('sampan refuses writes on a full disk, loses nothing and goes on when there is room', {
    skip: noRealNode || noKubectl,
  }, async () => {
    const directory = fresh()
    const script = `
      mount -t tmpfs -o size=48m none "$1"
      "$0" up --detach --nodes none --port 0 --data-dir "$1" --kubeconfig "$1.kubeconfig" || exit 9
      kubectl() { "$2" --kubeconfig "$1.kubeconfig" create configmap "$3" --from-literal=a=b 2>&1; }
      kubectl "$1" "$2" before
      dd if=/dev/zero of="$1/filler" bs=1M 2>/dev/null
      kubectl "$1" "$2" refused
      rm "$1/filler"
      kubectl "$1" "$2" after
      "$0" down --data-dir "$1"
      "$0" up --detach --nodes none --port 0 --data-dir "$1" --kubeconfig "$1.kubeconfig"
      "$2" --kubeconfig "$1.kubeconfig" get configmaps -o name
      "$0" down --data-dir "$1"
      "$0" reset --yes --data-dir "$1"`
    const { stdout, stderr } = await run(
      ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, join(root, 'sampan'), directory, kubectls().at(-1)!],
      { env: { HOME: home, KUBECONFIG: '' } },
    )
    assert.match(stdout, /^configmap\/before created$/m, stderr)
    assert.match(stdout, /^error: failed to create configmap: .*no space left on the store's disk: .*Free some space and try again/m)
    assert.match(stdout, /^configmap\/after created$/m)
    assert.match(stdout, /^configmap\/after\nconfigmap\/before\n/m)
    assert.ok(stdout.endsWith(`deleted ${directory}\n`), stderr)
  })

  test('a second real node on the machine is refused and leaves the first one its network', { skip: noRealNode }, async () => {
    await using instance = await Instance.start({ nodes: 'real' })
    const second = fresh()
    const words = ['--data-dir', second, '--kubeconfig', join(second, 'kubeconfig')]
    const refused = await instance.inside([join(root, 'sampan'), 'up', '--port', '0', '--yes', ...words])
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /^sampan: another instance runs a real node on this machine/m)
    mkdirSync(join(second, 'containerd'), { recursive: true })
    assert.equal((await instance.inside([join(root, 'sampan'), 'down', '--data-dir', second])).code, 0)
    assert.match((await instance.inside(['nft', 'list', 'tables'])).stdout, /sampan/)
    assert.equal((await instance.inside(['ip', 'link', 'show', 'sampan0'])).code, 0)
  })

  test('sampan up, a second up, status, kubeconfig, down and reset work on one directory', async () => {
    const directory = fresh()
    const first = await sampan('up', '--detach', '--nodes', 'simulated:2', '--port', '0', '--data-dir', directory)
    assert.equal(first.code, 0, first.stderr + first.stdout)
    try {
      assert.match(first.stdout, /^ready in \d+ ms$/m)
      const second = await sampan('up', '--nodes', 'simulated', '--port', '0', '--data-dir', directory)
      assert.equal(second.code, 1)
      assert.match(second.stderr, /is in use by a running instance \(process \d+\)\. Stop it with `sampan down --data-dir/)
      const status = await sampan('status', '--data-dir', directory)
      assert.equal(status.code, 0, status.stderr)
      assert.match(status.stdout, /https:\/\/127\.0\.0\.1:\d+ {2}process \d+/)
      assert.equal(status.stdout.match(/ Ready /g)?.length, 2)
      const kubeconfig = await sampan('kubeconfig', '--data-dir', directory)
      assert.match(kubeconfig.stdout, /current-context: sampan/)
      const merged = join(home, '.kube', 'config')
      assert.match(readFileSync(merged, 'utf8'), /name: sampan/)
      assert.equal(statSync(merged).mode & 0o077, 0)
      assert.equal(statSync(directory).mode & 0o077, 0)
      const images = await sampan('image', 'list', '--data-dir', directory)
      assert.equal(images.code, 1)
      assert.match(images.stderr, /has no real node/)
    } finally {
      const down = await sampan('down', '--data-dir', directory)
      assert.equal(down.code, 0, down.stderr)
      assert.match(down.stdout, /^stopped \(\d+ ms\); start again with `sampan up --data-dir/)
    }
    assert.equal(existsSync(join(home, '.kube', 'config')), false)
    assert.equal((await sampan('down', '--data-dir', directory)).stdout, `nothing runs in ${directory}\n`)
    const unasked = await sampan('reset', '--data-dir', directory)
    assert.equal(unasked.code, 1)
    assert.match(unasked.stderr, /add --yes to delete everything/)
    assert.equal((await sampan('reset', '--yes', '--data-dir', directory)).code, 0)
    assert.equal(existsSync(directory), false)
  })
})
