import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readHostFacts } from './host-facts.ts'

const V2 = '30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw'
const V1 = '30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory'
const HYBRID = `${V1}\n31 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`
const ALL = ['/usr/bin/containerd', '/usr/bin/crun', '/usr/sbin/runc', '/usr/lib/cni/loopback']

function facts({ files = ALL, mounts = V2, capabilities = '000001ffffffffff' } = {}) {
  return readHostFacts({
    cniBinDirs: ['/opt/cni/bin', '/usr/lib/cni'],
    exists: (path) => files.includes(path),
    read: (path) => (path === '/proc/self/mountinfo' ? mounts : `Name:\tnode\nCapEff:\t${capabilities}\n`),
  })
}

describe('readHostFacts', () => {
  for (const [what, given, name] of [
    ['crun under cgroup 2', {}, 'crun'],
    ['crun under cgroup 1', { mounts: V1 }, 'crun'],
    ['runc under a hybrid', { mounts: HYBRID }, 'runc'],
    ['runc where there is no crun', { files: ALL.filter((file) => !file.endsWith('crun')) }, 'runc'],
  ] as const) {
    test(`chooses ${what}`, () =>
      assert.equal(facts({ ...given, files: [...('files' in given ? given.files : ALL)] }).ociRuntime.name, name))
  }

  for (const [missing, mounts, message] of [
    ['/usr/bin/containerd', V2, /install the package containerd$/],
    ['/usr/lib/cni/loopback', V2, /install the package containernetworking-plugins$/],
    ['/usr/sbin/runc', HYBRID, /crun does not work .*: install the package runc$/],
  ] as const) {
    test(`names the package without ${missing}`, () => {
      assert.throws(() => facts({ files: ALL.filter((file) => file !== missing), mounts }), message)
    })
  }

  test('knows whether scores may be lowered', () => {
    assert.equal(facts().mayLowerOomScore, true)
    assert.equal(facts({ capabilities: '00000000a80425fb' }).mayLowerOomScore, false)
  })
})
