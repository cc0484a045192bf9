// Suites on real containers, each in network and mount namespaces of its own, where nothing they start can reach or outlive anything else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { noRealNode, run } from './instance.ts'

// Without the variable gone the inner runner takes itself for a part of the outer one and runs nothing.
const SETUP = 'ip link set lo up && mkdir -p /run/netns && mount -t tmpfs none /run/netns && exec env -u NODE_TEST_CONTEXT "$@"'

for (const suite of ['runtime', 'kubelet-server', 'adoption']) {
  test(`${suite} on real containers`, { skip: noRealNode }, async (t) => {
    const file = fileURLToPath(new URL(`inside/${suite}.ts`, import.meta.url))
    const namespaces = ['unshare', '--net', '--mount', '--fork', '--kill-child', '--propagation', 'private']
    const { code, stdout } = await run([...namespaces, 'sh', '-c', SETUP, 'sh', process.execPath, '--test', '--test-reporter=spec', file], {
      timeoutMs: 900_000,
    })
    for (const [, line] of stdout.matchAll(/^\s*ℹ (.*\d ms.*)$/gm)) t.diagnostic(line!)
    assert.equal(code, 0, stdout)
    assert.match(stdout, /^ℹ pass [1-9]/m)
  })
}
