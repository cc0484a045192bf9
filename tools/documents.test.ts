// What the documents say of files and packages is so. Says nothing about prose.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const documents = [...globSync('*.md', { cwd: root }), ...globSync('{docs,changes}/**/*.md', { cwd: root })]

interface Manifest {
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  optionalDependencies: Record<string, string>
}
const manifest = JSON.parse(read('package.json')) as Manifest

test('links between documents lead somewhere', () => {
  const broken = documents.flatMap((file) =>
    [...read(file).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
      .filter(([, target]) => !existsSync(join(root, dirname(file), target!)))
      .map(([, target]) => `${file}: ${target}`),
  )
  assert.deepEqual(broken, [])
})

test('files that documents name exist', () => {
  const missing = documents.flatMap((file) =>
    [...read(file).matchAll(/`((?:src|tools|interop|bench|sim|docs)\/[\w./-]+\.(?:ts|md|json))`/g)]
      .filter(([, path]) => !existsSync(join(root, path!)))
      .map(([, path]) => `${file}: ${path}`),
  )
  assert.deepEqual(missing, [])
})

test('every dependency is in docs/dependencies.md, and nothing else is', () => {
  const named = [...read('docs/dependencies.md').matchAll(/^\| (`.+?`) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
  )
  assert.deepEqual(named.toSorted(), Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).toSorted())
})

test('every dependency is imported by what runs, and what runs imports no other package', () => {
  const code = globSync('src/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.test.ts'))
  const used = new Set<string>()
  for (const file of code) {
    // Types go when the code runs. What is loaded by require shows in the type it is given.
    const text = read(file).replace(/^import type .*$/gm, '')
    for (const [, name] of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'((?:@[\w.-]+\/)?[a-z][\w.-]*)(?:\/[^']*)?'/g)) used.add(name!)
  }
  assert.deepEqual([...used].toSorted(), Object.keys(manifest.dependencies).toSorted())
})
