// The program's entry: asks V8 what counts from the start, and has all else loaded from what earlier starts have kept.
import { flushCompileCache } from 'node:module'
import { SourceLoader } from '#lib/sources/source-loader.ts'
import { AT_START, tune } from './main/v8-tuning.ts'

tune(AT_START)
const { env } = process
// Root's PATH may lack the folders of system programs (after a plain `su`), and what is looked for there is always in one of them.
env.PATH = [env.PATH, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter(Boolean).join(':')

const sources = new SourceLoader(new URL('.', import.meta.url).href, env.NODE_COMPILE_CACHE)
const { run } = sources.load('#main/program.ts') as typeof import('./main/program.ts')
process.exitCode = await run(process.argv.slice(2), {
  env,
  keepCompiled() {
    sources.keep()
    flushCompileCache()
  },
})
