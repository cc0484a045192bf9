// What others need to check service-account tokens themselves: OpenID discovery and the public keys.
import type { KeyObject } from 'node:crypto'
import type { Endpoint } from '#server/endpoints/endpoint.ts'
import { answer } from '#server/http/call.ts'
import { algorithmOf, keyId } from './web-token.ts'

const DISCOVERY_PATH = '/.well-known/openid-configuration'
export const KEY_SET_PATH = '/openid/v1/jwks'

export interface PublicDocument {
  contentType: string
  body: string
}

/** By path. Both are for whoever may read them by role; they hold nothing secret. */
export function tokenDocuments(options: {
  issuer: string
  publicKeys: readonly KeyObject[]
  url: string
  jwksUri?: string
}): ReadonlyMap<string, PublicDocument> {
  const discovery = {
    issuer: options.issuer,
    jwks_uri: options.jwksUri ?? `${options.url}${KEY_SET_PATH}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(options.publicKeys.map(algorithmOf))].toSorted(),
  }
  const keys = options.publicKeys.map((key) => {
    const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' })
    return { use: 'sig', kty, kid: keyId(key), crv, alg: algorithmOf(key), x, y, n, e }
  })
  return new Map([
    [DISCOVERY_PATH, { contentType: 'application/json', body: JSON.stringify(discovery) }],
    [KEY_SET_PATH, { contentType: 'application/jwk-set+json', body: JSON.stringify({ keys }) }],
  ])
}

/** `url` is asked for late: the port is known only once the server listens. */
export function tokenEndpoints(options: { issuer: string; publicKeys: readonly KeyObject[]; url(): string; jwksUri?: string }): Endpoint[] {
  const documents = () => tokenDocuments({ ...options, url: options.url() })
  return [DISCOVERY_PATH, KEY_SET_PATH].map((path) => ({
    path,
    methods: ['GET'],
    // Clients made from the OpenAPI document end it with a slash.
    serves: (asked) => asked === path || asked === `${path}/`,
    answer(call) {
      const { contentType, body } = documents().get(path)!
      // Keys change rarely, and whoever checks tokens would else ask for each.
      call.headers['cache-control'] = 'public, max-age=3600'
      return answer(call, 200, { type: contentType, body })
    },
  }))
}
