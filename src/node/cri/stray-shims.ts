// Shims nobody knows: containerd forgets one whose start was broken off, as when the client that asked for it is killed. A bundle is there before
// its shim starts and until after it has ended, so a shim without one belongs to no container.
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

export interface ShimOptions {
  /** Of the containerd they serve: other instances' shims are left alone. */
  endpoint: string
  /** Where that containerd keeps its state. */
  state: string
}

/** Resolves with the ids of those that were ended. */
export async function endStrayShims({ endpoint, state }: ShimOptions): Promise<string[]> {
  const ended: string[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const words = (await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (!basename(words[0] ?? '').startsWith('containerd-shim-') || flag(words, 'address') !== endpoint) continue
    const namespace = flag(words, 'namespace')
    const id = flag(words, 'id')
    if (!namespace || !id || existsSync(join(state, 'io.containerd.runtime.v2.task', namespace, id))) continue
    try {
      process.kill(Number(entry), 'SIGKILL')
      ended.push(id)
    } catch {
      // It ended by itself.
    }
  }
  return ended
}

function flag(words: readonly string[], name: string): string | undefined {
  const at = words.indexOf(`-${name}`)
  return at < 0 ? undefined : words[at + 1]
}
