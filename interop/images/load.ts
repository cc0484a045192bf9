// Brings the test images into a running cluster by its own command line.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type Instance, root } from '../instance.ts'
import { testImages } from './recipes.ts'

export async function loadTestImages(cluster: Instance): Promise<void> {
  for (const file of await testImages()) {
    const { code, stderr } = await cluster.inside([join(root, 'sampan'), 'image', 'load', file, '--data-dir', cluster.directory])
    assert.equal(code, 0, stderr)
  }
}
