// Makes the package that others install: the sources as JavaScript with their declarations, since Node runs no TypeScript below node_modules. Types are
// taken out where they stand, so lines in stack traces are those of the sources. `node tools/pack.ts [DIR]` leaves sampan-VERSION.tgz in DIR.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Compiled code is kept between starts, as the launcher of a checkout has it. */
const ENTRY = `#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

const { env } = process
env.NODE_COMPILE_CACHE ||= join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sampan/compiled')
enableCompileCache(env.NODE_COMPILE_CACHE)
await import('./src/main.js')
`

interface Manifest {
  version: string
  exports: Record<string, string>
  imports: Record<string, string>
  [field: string]: unknown
}

/** Specifiers of our own files: `./file.ts`, `#room/file.ts`. */
const asBuilt = (text: string) => text.replaceAll(/(["'])((?:#|\.\.?\/)[^"'\s]*)\.ts\1/g, '$1$2.js$1')

function build(target: string): void {
  const files = globSync('src/**/*', { cwd: root, withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.name.endsWith('.test.ts'),
  )
  for (const entry of files) {
    const from = join(entry.parentPath, entry.name)
    const to = join(target, from.slice(root.length))
    mkdirSync(dirname(to), { recursive: true })
    if (entry.name.endsWith('.ts')) writeFileSync(to.replace(/\.ts$/, '.js'), asBuilt(stripTypeScriptTypes(readFileSync(from, 'utf8'))))
    else copyFileSync(from, to)
  }
  // For whoever writes against it in TypeScript.
  const project = join(target, 'tsconfig.json')
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    typeRoots: [join(root, 'node_modules/@types')],
    rootDir: join(root, 'src'),
    outDir: join(target, 'src'),
  }
  const include = [join(root, 'src')]
  writeFileSync(
    project,
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include, exclude: [join(root, 'src/**/*.test.ts')] }),
  )
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', project], { cwd: root, stdio: 'inherit' })
  rmSync(project)
  for (const file of globSync('src/**/*.d.ts', { cwd: target }))
    writeFileSync(join(target, file), asBuilt(readFileSync(join(target, file), 'utf8')))

  const {
    scripts: _scripts,
    devDependencies: _dev,
    optionalDependencies: _node,
    private: _private,
    ...manifest
  } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  const built = Object.entries(manifest.exports).map(([name, path]) => {
    const file = path.replace(/\.ts$/, '')
    return [name, { types: `${file}.d.ts`, default: `${file}.js` }]
  })
  const imports = Object.entries(manifest.imports).flatMap(([name, path]) => [[name, path]])
  const published = {
    ...manifest,
    bin: { sampan: './sampan.js' },
    exports: Object.fromEntries(built),
    imports: Object.fromEntries(imports),
  }
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
  writeFileSync(join(target, 'sampan.js'), ENTRY)
  chmodSync(join(target, 'sampan.js'), 0o755)
  for (const file of ['README.md', 'LICENSE']) copyFileSync(join(root, file), join(target, file))
}

const target = mkdtempSync(join(tmpdir(), 'sampan-pack-'))
try {
  build(target)
  const destination = resolve(process.argv[2] ?? '.')
  execFileSync('npm', ['pack', '--silent', '--pack-destination', destination], { cwd: target, stdio: 'inherit' })
} finally {
  rmSync(target, { recursive: true, force: true })
}
