// /statusz and /flagz of the API server.
import { zPages, type ZPages } from '#api/z-pages.ts'
import { sendBytes, wantsPretty } from '#server/http/respond.ts'
import type { Endpoint } from './endpoint.ts'

export function zPageEndpoints(options: Omit<ZPages, 'component'>): Endpoint[] {
  return Array.from(zPages({ ...options, component: 'kube-apiserver' }), ([path, page]) => ({
    path,
    serves: (asked) => asked === path,
    async answer(call) {
      const { accept } = call.exchange.headers
      await sendBytes(call, { status: 200, ...page({ accept, pretty: wantsPretty(call) }) })
    },
  }))
}
