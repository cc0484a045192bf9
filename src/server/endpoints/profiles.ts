// /debug/pprof/ of the API server.
import { profilePages, PROFILES } from '#server/profiling/profile-pages.ts'
import { answerHeaders } from '#server/http/call.ts'
import type { Endpoint } from './endpoint.ts'

export function profilesEndpoint(): Endpoint {
  const page = profilePages()
  return {
    serves: (path) => path === PROFILES.slice(0, -1) || path.startsWith(PROFILES),
    async answer(call) {
      const { path, query, signal } = call.exchange
      const { status, type, headers, body } = (await page(path, query, signal))!
      call.exchange.send(status, { ...answerHeaders(call), ...headers, 'content-type': type }, body)
    },
  }
}
