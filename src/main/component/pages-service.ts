// The pages of a part on its own as a service that says where they are, or why nowhere.
import { isIPv6 } from 'node:net'
import { hostname } from 'node:os'
import type { PagesConfig } from '#cli/platform.ts'
import type { Service } from '#lib/service.ts'
import { componentPages, type PagesOptions } from './pages.ts'

interface Shown extends Omit<PagesOptions, keyof PagesConfig | 'hostName'> {
  say(line: string): void
}

/** A port nobody asked for may be taken: by another of the same kind that stands by, say. */
export function pagesService({ byDefault, ...where }: PagesConfig, { say, ...shown }: Shown): Service {
  const pages = componentPages({ ...where, ...shown, hostName: hostname() })
  return {
    name: pages.name,
    async start(signal) {
      try {
        const running = await pages.start(signal)
        say(`health and metrics at https://${isIPv6(where.address) ? `[${where.address}]` : where.address}:${pages.port}`)
        return running
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
        if (!byDefault)
          throw new Error(`port ${where.port} is taken by another program: choose another with --secure-port`, { cause: error })
        say(`port ${where.port} is taken: no health and metrics here; choose another with --secure-port`)
        return { async [Symbol.asyncDispose]() {} }
      }
    },
  }
}
