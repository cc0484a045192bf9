// Every command the documents show exists as it is written: programs, npm scripts, subcommands and each of their flags.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root, run } from './instance.ts'

const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts
const lines = [...globSync(['*.md', 'docs/*.md'], { cwd: root })].flatMap((file) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/^```(?:sh)?\n([\s\S]*?)^```/gm)].flatMap((block) =>
    block[1]!.split('\n').map((line) => ({
      file,
      line: line
        .replace(/#.*/, '')
        .replace(/^sudo /, '')
        .trim(),
    })),
  ),
)
const commands = lines.filter(({ line }) => /^(\.\/sampan|npm|node|kubectl) /.test(line))

test('the documents show commands at all', () => assert.ok(commands.length > 10))

for (const { file, line } of commands) {
  test(`${file}: ${line}`, async () => {
    const [program, first = '', second = ''] = line.split(' ')
    if (program === 'npm')
      assert.ok(first === 'ci' || first === 'test' || first === 'install' || scripts[second], `no npm script ${second}`)
    if (program === 'node') {
      const files = line.split(' ').filter((word) => word.endsWith('.ts'))
      assert.ok(files.length > 0)
      for (const file of files) assert.ok(existsSync(join(root, file)), `${file} does not exist`)
    }
    if (program !== './sampan') return
    const words = ['image', 'clock', 'node'].includes(first) ? [first, second] : [first]
    const { code, stdout } = await run([join(root, 'sampan'), ...words, '--help'])
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(`^Usage: sampan ${words.join(' ')}`))
    for (const flag of line.match(/--[a-z-]+/g) ?? []) assert.ok(stdout.includes(flag), `${words.join(' ')} has no ${flag}`)
  })
}

const examples = [...globSync(['*.md', 'docs/*.md'], { cwd: root })].flatMap((file) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code], index) => ({ file, code: code!, index })),
)

for (const { file, code, index } of examples) {
  test(`${file}: example ${index + 1} runs`, () => {
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', code], { cwd: root, encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  })
}
