// The package as others get it: packed, unpacked below a node_modules, imported by programs and read by their compiler. Its dependencies are this
// checkout's: nothing is fetched.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { root, run } from './instance.ts'

const PROGRAM = `import assert from 'node:assert/strict'
import { startCluster, virtual, type Cluster } from 'sampan/testing'
import { Deployment } from 'sampan/kinds/apps/deployment'
import { Stage } from 'sampan/stage'
import { builtinKinds } from 'sampan/kinds'
import type { PodSpec } from 'sampan/types'

const spec: PodSpec = { containers: [{ name: 'c', image: 'i' }] }
const metadata = { name: 'web', namespace: 'default' }
const labels = { app: 'web' }
const available = async ({ client }: Cluster) => (await client.get(Deployment, metadata)).status?.availableReplicas
await using cluster = await startCluster({ nodes: 2, clock: virtual(), stages: true })
await cluster.client.create(Deployment, {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata,
  spec: { replicas: 3, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
})
await cluster.idle()
assert.equal(await available(cluster), 3)
assert.deepEqual((await cluster.client.list(Stage)).items, [])
assert.ok(builtinKinds.length > 50)
console.log('fine')
`
/** What a compiler must object to. */
const WRONG = `import { startCluster } from 'sampan/testing'
import { Deployment } from 'sampan/kinds/apps/deployment'
const { client } = await startCluster()
// @ts-expect-error no such field
await client.create(Deployment, { metadata: { name: 'a' }, spec: { selectors: {} } })
// @ts-expect-error no such option
await startCluster({ node: 1 })
`

test('the package runs below node_modules, with types for those who check them', async () => {
  const home = mkdtempSync(join(tmpdir(), 'sampan-package-'))
  try {
    execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, 'tools/pack.ts'), home], { stdio: 'pipe' })
    const [tarball] = readdirSync(home)
    assert.match(tarball!, /^sampan-\d.*\.tgz$/)
    const modules = join(home, 'node_modules')
    mkdirSync(join(modules, 'sampan'), { recursive: true })
    execFileSync('tar', ['xzf', join(home, tarball!), '--strip-components=1', '-C', join(modules, 'sampan')])
    const sources = readdirSync(join(modules, 'sampan'), { recursive: true, encoding: 'utf8' })
    assert.deepEqual(
      sources.filter((file) => file.includes('.test.') || (file.endsWith('.ts') && !file.endsWith('.d.ts'))),
      [],
    )
    for (const name of readdirSync(join(root, 'node_modules')))
      if (!name.startsWith('.')) symlinkSync(join(root, 'node_modules', name), join(modules, name))
    writeFileSync(join(home, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(home, 'program.ts'), PROGRAM)
    writeFileSync(join(home, 'wrong.ts'), WRONG)
    const ran = await run([process.execPath, join(home, 'program.ts')])
    assert.deepEqual([ran.code, ran.stdout], [0, 'fine\n'], ran.stderr)
    const compilerOptions = {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      types: ['node'],
    }
    writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts', 'wrong.ts'] }))
    const checked = await run([join(root, 'node_modules/.bin/tsc'), '-p', home])
    assert.equal(checked.code, 0, checked.stdout)
    const { code, stdout } = await run([join(modules, 'sampan/sampan.js'), 'version'], {
      env: { PATH: `${process.execPath.replace(/\/node$/, '')}:/usr/bin:/bin` },
    })
    assert.equal(code, 0)
    assert.match(stdout, /1\.36/)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})
