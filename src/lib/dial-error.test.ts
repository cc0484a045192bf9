import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { dialError, hostPort } from './dial-error.ts'

test('hostPort puts IPv6 in brackets', () => {
  assert.equal(hostPort({ host: '10.0.0.1', port: 80 }), '10.0.0.1:80')
  assert.equal(hostPort({ host: 'fd00::1', port: 80 }), '[fd00::1]:80')
})

test('dialError words a real refusal as Go does', async () => {
  const address = { host: '127.0.0.1', port: 1 }
  const error = await new Promise((resolve) => connect(address).once('error', resolve))
  assert.equal(dialError(error, address), 'dial tcp 127.0.0.1:1: connect: connection refused')
})

test('dialError passes on what it has no words for', () => {
  const address = { host: 'web', port: 80 }
  assert.equal(dialError(Object.assign(new Error('odd'), { code: 'toString' }), address), 'dial tcp web:80: odd')
  assert.equal(dialError(Object.assign(new Error(''), { code: 'ENOTFOUND' }), address), 'dial tcp web:80: lookup web: no such host')
})
