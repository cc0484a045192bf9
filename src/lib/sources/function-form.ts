// A module of this program as a function: imports become constants, exports what it returns. Every line stays in its place, so stack traces are those of
// the file. Understands the forms of import and export that the program is written in (a test loads every file) and refuses all others.
import { stripTypeScriptTypes } from 'node:module'

/** Who gives a module what it imports. The names are as few programs have them. */
export interface Imports {
  /** A file of the program, by its place below the root; of a JSON file what it says. */
  $own(file: string): object
  /** A module of Node, or of a package. */
  $foreign(name: string): object
  /** Both, asked for while the program runs. */
  $ownLater(file: string): Promise<object>
  $foreignLater(name: string): Promise<object>
  /** What the module calls `import.meta.url`. */
  $url: string
}

const IMPORT = /^import\s+(?:(\w+)\s*,?\s*)?(\{[^}]*\})?\s*from\s+'([^']+)'(?:\s+with\s+\{[^}]*\})?/gm
const EXPORTED = /^export\s+(\{[^}]*\})(?:\s+from\s+'([^']+)')?/gm
const EXPORT = /^export\s+((?:async\s+)?function\s*\*?|class|const)\s+([\w$]+)/gm
const LATER = /\bimport\('([^']+)'\)/g
const REST = /^(?:import|export)\b(?!\s*\().*/m

/** The text of an expression: a function of {@link Imports}, in their order. `file` is the module's place below the root, with slashes. */
export function functionForm(text: string, file: string): string {
  const exported: string[] = []
  const place = (specifier: string) => JSON.stringify(placeOf(specifier, file))
  const body = (file.endsWith('.ts') ? stripTypeScriptTypes(text) : text)
    .replace(IMPORT, (whole, all: string | undefined, names: string | undefined, from: string) => {
      // Only what a module as a whole may stand for: a module of Node, and the content of a file.
      if (all && !/^node:|\.json$/.test(from)) throw new SyntaxError(`${file}: a default import of ${from}`)
      const module = isOwn(from) ? `$own(${place(from)})` : `$foreign('${from}')`
      const targets = [all ?? [], names?.replaceAll(/\s+as\s+/g, ': ').replaceAll(/\s+/g, ' ') ?? []].flat()
      return `${targets.map((target) => `const ${target} = ${module};`).join(' ')}${linesOf(whole)}`
    })
    .replace(EXPORTED, (whole, names: string, from: string | undefined) => {
      if (/\bas\b/.test(names)) throw new SyntaxError(`${file}: an export under another name`)
      exported.push(names.slice(1, -1))
      return `${from ? `const ${names.replaceAll(/\s+/g, ' ')} = $own(${place(from)});` : ''}${linesOf(whole)}`
    })
    .replace(EXPORT, (_, what: string, name: string) => {
      exported.push(name)
      return `${what} ${name}`
    })
    .replace(LATER, (_, from: string) => (isOwn(from) ? `$ownLater(${place(from)})` : `$foreignLater('${from}')`))
    .replaceAll('import.meta.url', '$url')
  const rest = REST.exec(body)
  if (rest) throw new SyntaxError(`${file}: not understood: ${rest[0]}`)
  return `(function ($own, $foreign, $ownLater, $foreignLater, $url) { 'use strict'; ${body}\nreturn { ${exported.join(', ')} }\n})`
}

const isOwn = (specifier: string) => specifier.startsWith('#') || specifier.startsWith('./')

/** Where `#room/file.ts` and `./file.ts` are below the root, asked for by `file`. */
function placeOf(specifier: string, file: string): string {
  return specifier.startsWith('#') ? specifier.slice(1) : file.slice(0, file.lastIndexOf('/') + 1) + specifier.slice(2)
}

const linesOf = (text: string) => '\n'.repeat(text.split('\n').length - 1)
