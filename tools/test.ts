// Runs every test file with Node's own runner: unit tests and actors side by side, interop where this machine allows it.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { prepareMachine } from '../interop/machine.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
await prepareMachine()
const wanted = process.argv.slice(2)
const files =
  wanted.length > 0
    ? wanted
    : globSync(['src/**/*.test.ts', 'interop/**/*.test.ts', 'sim/**/*.test.ts', 'tools/**/*.test.ts'], { cwd: root }).toSorted()
// What hangs is told by name, long before whoever runs this loses patience with the whole; what is slow is not mistaken for it.
const HANGS_MS = 40 * 60_000
// Each file is a process: what one has compiled the others need not.
const result = spawnSync(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    '--test-reporter=spec',
    '--test-concurrency=2',
    `--test-timeout=${HANGS_MS}`,
    ...files,
  ],
  { cwd: root, stdio: 'inherit', env: { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled'), ...process.env } },
)
process.exit(result.status ?? 1)
