// A server for tests: memory store, no sockets, ready in milliseconds. Other rooms' tests may use it.
import type { Client, UserInfo } from '#client/client.ts'
import { createMemoryStore } from '#store/memory.ts'
import type { Store } from '#store/store.ts'
import { type ApiServer, type ApiServerOptions, createApiServer } from './api-server.ts'
import { podBinding } from './subresources/pod-binding.ts'

export interface TestServer extends AsyncDisposable {
  server: ApiServer
  store: Store
  /** A cluster administrator's client. */
  client: Client
}

const ADMIN: UserInfo = { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] }

/** Without extensions everything is allowed, nothing is admitted or refused but by the kinds' own rules, and pods can be bound. */
export async function startTestServer(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
  const store = options.store ?? createMemoryStore()
  const server = createApiServer({ extensions: (context) => ({ subresources: podBinding(context) }), ...options, store })
  const running = await server.start(new AbortController().signal)
  return {
    server,
    store,
    client: server.clientFor(ADMIN),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      if (!options.store) await store[Symbol.asyncDispose]()
    },
  }
}
