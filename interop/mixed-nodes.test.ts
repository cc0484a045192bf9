// Simulated nodes join a cluster with a real one: pods go where their selectors say, and annotations reach those that are simulated alone.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually, Instance, noKubectl, noRealNode, root } from './instance.ts'

test('sampan node simulate puts simulated nodes beside a real one', { skip: noRealNode || noKubectl }, async () => {
  await using own = await Instance.start({ nodes: 'real', args: ['--port', '0'] })
  const words = ['node', 'simulate', '--count', '2', '--first-subnet', '10', '--kubeconfig', own.kubeconfig]
  const fleet = own.spawnInside([join(root, 'sampan'), ...words])
  fleet.stdout!.resume()
  fleet.stderr!.resume()
  try {
    await eventually(async () => (await own.ok('get nodes --no-headers')).match(/ Ready /g)?.length === 3)
    const pod = { nodeSelector: { 'node.sampan.dev/simulated': 'true' }, containers: [{ name: 'main', image: 'app:1' }] }
    await own.ok(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: pod }) })
    await own.ok('wait --for=condition=Ready pod/web --timeout=300s')
    assert.match(await own.ok(['get', 'pod', 'web', '-o', 'jsonpath={.spec.nodeName} {.status.podIP}']), /^simulated-[01] 10\.244\.1[01]\./)
    await own.ok('annotate pod web sampan.dev/readiness=failing')
    await own.ok('wait --for=condition=Ready=False pod/web --timeout=300s')
  } finally {
    const ended = once(fleet, 'exit')
    fleet.kill()
    await ended
  }
})
