// The official JavaScript client against a cluster with a real node, where the cluster is.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadTestImages } from './images/load.ts'
import { Instance, noRealNode, root } from './instance.ts'

test('@kubernetes/client-node reads, writes, watches and streams', { skip: noRealNode }, async (t) => {
  await using cluster = await Instance.start({ nodes: 'real' })
  await loadTestImages(cluster)
  const suite = join(root, 'interop/inside/client-node.ts')
  const runner = [
    'env',
    '-u',
    'NODE_TEST_CONTEXT',
    `KUBECONFIG=${cluster.kubeconfig}`,
    process.execPath,
    '--test',
    '--test-reporter=spec',
    suite,
  ]
  const { code, stdout } = await cluster.inside(runner, { timeoutMs: 900_000 })
  for (const [, line] of stdout.matchAll(/^\s*✔ (.*)$/gm)) t.diagnostic(line!)
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^ℹ pass [1-9]/m)
})
