import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import { changedQuery, connectOptions, readOptions } from './connect-options.ts'

test('changedQuery asks for what admission made of the options', () => {
  const query = new URLSearchParams('command=ls&command=-l&stdin=true&stdout=1&pretty=true')
  const options = connectOptions(Pod, 'exec', query) as unknown as Record<string, unknown>
  assert.deepEqual(options, { kind: 'PodExecOptions', apiVersion: 'v1', command: ['ls', '-l'], stdin: true, stdout: true })
  const changed = { ...options, command: ['id'], stdin: false, container: 'web' }
  assert.equal(String(changedQuery(changed as never, query)), 'pretty=true&stdout=true&container=web&command=id')
  const ports = new URLSearchParams('ports=80,81')
  const forward = connectOptions(Pod, 'portforward', ports) as unknown as Record<string, unknown>
  assert.equal(String(changedQuery({ ...forward, ports: [8080, 81] } as never, ports)), 'ports=8080&ports=81')
})

test('changedQuery leads nobody to another path', () => {
  assert.throws(() => changedQuery({ kind: 'PodProxyOptions', path: '/x' } as never, new URLSearchParams()), {
    message: /the path of PodProxyOptions cannot be changed by admission/,
  })
})

test('readOptions takes known options of their types alone', () => {
  const options = { kind: 'PodExecOptions', apiVersion: 'v1', command: ['id'], tty: true, container: null }
  assert.deepEqual(readOptions({ ...options, more: 1 }), { kind: 'PodExecOptions', apiVersion: 'v1', command: ['id'], tty: true })
  for (const wrong of [{ command: 'id' }, { command: [1] }, { tty: 'true' }, { container: ['c'] }])
    assert.throws(() => readOptions({ ...options, ...wrong }), /PodExecOptions\.(command|tty|container)/)
})
