// Other clients from npm against simulated nodes, where the cluster is.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { installNpmClients } from './clients/npm-clients.ts'
import { Instance, root } from './instance.ts'

const { folder, skip } = installNpmClients()

test('kubernetes-client, operators and electors of npm do their work', { skip }, async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'sampan-npm-clients-'))
  t.after(() => rmSync(scratch, { recursive: true, force: true }))
  await using cluster = await Instance.start({ nodes: 'simulated:1', args: ['--store', 'memory'] })
  const given = { KUBECONFIG: cluster.kubeconfig, SAMPAN_NPM_CLIENTS: folder, SAMPAN_SCRATCH: scratch }
  const words = Object.entries(given).map(([name, value]) => `${name}=${value}`)
  const suite = join(root, 'interop/inside/npm-clients.ts')
  const runner = [
    'env',
    '-u',
    'NODE_TEST_CONTEXT',
    ...words,
    process.execPath,
    '--test',
    '--test-force-exit',
    '--test-reporter=spec',
    suite,
  ]
  const { code, stdout } = await cluster.inside(runner, { timeoutMs: 900_000 })
  for (const [, line] of stdout.matchAll(/^\s*✔ (.*)$/gm)) t.diagnostic(line!)
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^ℹ pass [1-9]/m)
})
