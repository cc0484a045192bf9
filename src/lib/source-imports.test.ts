import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'node:test'

test('findSources finds rooms and neighbours without any package.json, modules of Node as ever', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sources-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const files = {
    'start.ts': `import { findSources } from '${new URL('source-imports.ts', import.meta.url).href}'
      using _found = findSources('${pathToFileURL(directory).href}/')
      const { text } = await import('#a room/first.ts')
      console.log(text)`,
    'a room/first.ts': `import { join } from 'node:path'
      import { second } from './below/second.ts'
      export const text: string = join(second, 'below')`,
    'a room/below/second.ts': `import { third } from '#b/third.ts'
      export const second: string = 'second ' + third`,
    'b/third.ts': `export const third: string = 'third'`,
  }
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(directory, name, '..'), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  assert.equal(
    execFileSync(process.execPath, [join(directory, 'start.ts')])
      .toString()
      .trim(),
    'second third/below',
  )
})
