// The Client over the network: one HTTP/2 connection that comes back after it broke.
import { type Clock, systemClock } from '#lib/clock.ts'
import type { Client, UserInfo } from './client.ts'
import { HttpSession, type SessionOptions } from './http-session.ts'
import { clientOver } from './transport-client.ts'

export interface HttpClientOptions extends Omit<SessionOptions, 'clock'> {
  clock?: Clock
  /** Asked before each request is sent; throws where it must not be. */
  guard?(method: string): void
}

export type HttpClient = Client & AsyncDisposable

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const session = new HttpSession({ ...options, clock: options.clock ?? systemClock })
  return { ...clientOver(session), [Symbol.asyncDispose]: () => session[Symbol.asyncDispose]() }
}

/** Clients of anyone over one connection, by impersonation: the credentials must be allowed to. */
export function createHttpClients(options: HttpClientOptions): { clientFor(user: UserInfo): Client } & AsyncDisposable {
  const session = new HttpSession({ ...options, clock: options.clock ?? systemClock })
  return {
    clientFor: (user) =>
      clientOver({
        async request(request) {
          options.guard?.(request.method)
          return session.request({ ...request, headers: impersonation(user) })
        },
        readBody: (response) => session.readBody(response),
      }),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  }
}

function impersonation({ username, uid, groups, extra }: UserInfo): Record<string, string | string[]> {
  return {
    'impersonate-user': username,
    // Everyone who is somebody is in this group: it cannot be given.
    'impersonate-group': groups.filter((group) => group !== 'system:authenticated'),
    ...(uid ? { 'impersonate-uid': uid } : {}),
    ...Object.fromEntries(
      Object.entries(extra ?? {}).map(([key, values]) => [`impersonate-extra-${encodeURIComponent(key).toLowerCase()}`, values]),
    ),
  }
}
