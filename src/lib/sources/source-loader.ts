// Loads a program's own files as functions, from what was kept of an earlier start: Node's loader takes 0.3 ms of processor time for each of 600 files, and
// keeps no code of the functions in them. A file has one instance here and is never loaded any other way. Not for tests, which load files as Node does.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cachedDataVersionTag } from 'node:v8'
import { Script } from 'node:vm'
import { functionForm } from './function-form.ts'
import { type Kept, KeptSources } from './kept-sources.ts'

export class SourceLoader {
  readonly #root: string
  readonly #require: NodeJS.Require
  readonly #kept: KeptSources | undefined
  readonly #flags = cachedDataVersionTag()
  /** Undefined while it is being loaded. */
  readonly #modules = new Map<string, object | undefined>()
  /** What no earlier start has kept. */
  readonly #fresh = new Map<string, { text: string; script: Script }>()

  /** `root` is the URL of the folder of all files and ends with a slash; `keep` is a folder for what is kept. */
  constructor(root: string, keep: string | undefined) {
    this.#root = root
    this.#require = createRequire(root)
    const directory = fileURLToPath(root)
    if (keep === undefined) return
    const name = directory.slice(-100).replaceAll(/[^\w.]+/g, '-')
    const makers = ['./function-form.ts', './kept-sources.ts'].map((maker) => readFileSync(new URL(maker, import.meta.url), 'utf8'))
    const made = [directory, process.version, this.#flags, ...makers].join('\n')
    this.#kept = new KeptSources(join(keep, `sources${name}`), { root: directory, made })
  }

  /** The exports of `#room/file.ts`. */
  load(specifier: string): object {
    return this.#own(specifier.slice(1))
  }

  /** Keeps what is new, for the next start; under the flags of V8 that this one began with, for code counts under no others. */
  keep(): void {
    if (this.#kept && this.#fresh.size > 0 && cachedDataVersionTag() === this.#flags) {
      const made = [...this.#fresh].map(([file, { text, script }]): [string, Kept] => [file, { text, code: script.createCachedData() }])
      try {
        this.#kept.add(new Map([...this.#unasked(this.#kept), ...made]))
      } catch {
        // A folder that cannot be written, or a full disk: starts are as slow as this one was.
      }
      this.#fresh.clear()
    }
    this.#kept?.settle()
  }

  /** What has not been asked for, without code: the next program that does so must not load Node's compiler for types, which stays at 20 MB. */
  *#unasked(kept: KeptSources): Generator<[string, Kept]> {
    for (const file of readdirSync(new URL(this.#root), { recursive: true, encoding: 'utf8' })) {
      if (!/\.[jt]s$/.test(file) || /\.(test|d)\.|^api.generated/.test(file) || this.#fresh.has(file) || kept.get(file)) continue
      try {
        yield [file, { text: functionForm(this.#read(file), file), code: undefined }]
      } catch {
        // Not written like the program: whoever asks for it is told.
      }
    }
  }

  #own = (file: string): object => {
    const known = this.#modules.get(file)
    if (known) return known
    if (this.#modules.has(file)) throw new Error(`${file} imports what imports it`)
    this.#modules.set(file, undefined)
    try {
      const module = file.endsWith('.json') ? (JSON.parse(this.#read(file)) as object) : this.#run(file)
      this.#modules.set(file, module)
      return module
    } finally {
      if (!this.#modules.get(file)) this.#modules.delete(file)
    }
  }

  #ownLater = async (file: string): Promise<object> => this.#own(file)

  #foreign = (name: string): object => (name.startsWith('node:') ? process.getBuiltinModule(name)! : this.#require(name))

  #run(file: string): object {
    const kept = this.#kept?.get(file)
    const text = kept?.text ?? functionForm(this.#read(file), file)
    const url = this.#root + file
    const script = new Script(text, { filename: url, ...(kept?.code ? { cachedData: kept.code } : {}) })
    if (this.#kept && !kept?.code) this.#fresh.set(file, { text, script })
    const module = script.runInThisContext() as (...imports: unknown[]) => object
    return module(this.#own, this.#foreign, this.#ownLater, foreignLater, url)
  }

  #read(file: string): string {
    return readFileSync(new URL(file, this.#root), 'utf8')
  }
}

const foreignLater = (name: string): Promise<object> => import(name)
