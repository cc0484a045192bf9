// Descriptions of request parameters, read from the comments of the client package's generated methods.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** By parameter name under `''`; parameters of connections and logs under the kind of their options, those of patches under `patch`. */
export type ParameterDescriptions = Record<string, Record<string, string>>

export function parameterDescriptions(directory: string): ParameterDescriptions {
  const found: ParameterDescriptions = { '': {} }
  for (const file of readdirSync(directory).filter((name) => /V\d+Api\.d\.ts$/.test(name))) {
    const text = readFileSync(join(directory, file), 'utf8')
    for (const [, comment, method] of text.matchAll(/\/\*\*\n((?:\s+\* .*\n)+)\s+\*\/\n\s+(\w+)\(/g)) readMethod(method!, comment!, found)
  }
  return found
}

function readMethod(method: string, comment: string, found: ParameterDescriptions): void {
  const parameters = [...comment.matchAll(/\* @param (\w+) (.+)/g)].map(([, name, text]) => [name!, unescape(text!)] as const)
  const options = /\* @param name name of the (\w+Options)/.exec(comment)?.[1]
  const home = options ?? (method.endsWith('PodLog') ? 'PodLogOptions' : method.startsWith('patch') ? 'patch' : '')
  const own = (found[home] ??= {})
  for (const [spelled, text] of parameters) {
    const name = spelled === '_continue' ? 'continue' : spelled
    if (name !== 'body' && name !== 'name') own[name] ??= text
  }
}

function unescape(text: string): string {
  return text
    .replace(/\\&#(\w+);/g, '&#$1;')
    .replace(/\\&/g, '&')
    .replace(/&#x([0-9A-Fa-f]+);/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}
