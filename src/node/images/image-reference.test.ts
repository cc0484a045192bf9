import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { normaliseReference } from './image-reference.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

describe('normaliseReference', () => {
  for (const [given, full] of [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.35', 'docker.io/library/busybox:1.35'],
    ['user/app', 'docker.io/user/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/user/app:1', 'docker.io/user/app:1'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['registry.example.com/a/b/c', 'registry.example.com/a/b/c:latest'],
    [`busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
    [`quay.io/a/b:1@${DIGEST}`, `quay.io/a/b:1@${DIGEST}`],
  ] as const) {
    test(`makes ${given} ${full}`, () => assert.equal(normaliseReference(given), full))
  }

  for (const bad of [
    '',
    'Busybox',
    'a//b',
    ':tag',
    'app:',
    'app:-x',
    'app@sha256:short',
    '../etc',
    'a b',
    `x@${DIGEST}@${DIGEST}`,
    'a'.repeat(256),
  ]) {
    test(`refuses ${JSON.stringify(bad).slice(0, 40)}`, () => {
      assert.throws(() => normaliseReference(bad), { message: `couldn't parse image name "${bad}": invalid reference format` })
    })
  }
})
