// `/`: every path there is.
import type { Discovery } from '#api/discovery/discovery.ts'
import { answer } from '#server/http/call.ts'
import type { Endpoint } from './endpoint.ts'

export function pathsEndpoint(discovery: () => Discovery, others: () => readonly string[]): Endpoint {
  return {
    serves: (path) => path === '/',
    answer(call) {
      const paths = [...others()]
      for (const { name, versions } of discovery().groups) {
        if (name === '') paths.push('/api', ...versions.map(({ version }) => `/api/${version}`))
        else paths.push('/apis', `/apis/${name}`, ...versions.map(({ version }) => `/apis/${name}/${version}`))
      }
      const body = JSON.stringify({ paths: [...new Set(paths)].toSorted() }, null, 2)
      answer(call, 200, { type: 'application/json', body })
    },
  }
}
