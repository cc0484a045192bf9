// serviceaccount-token-controller: fills Secrets of type kubernetes.io/service-account-token, and deletes them with their account.
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import type { AuthenticationTokenRequest as TokenRequest } from '#api/generated/types.ts'
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Controller } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'

const TOKEN_TYPE = 'kubernetes.io/service-account-token'
const ACCOUNT_NAME = 'kubernetes.io/service-account.name'
const ACCOUNT_UID = 'kubernetes.io/service-account.uid'
/** Tokens in Secrets have no end of their own; this is the longest a token may be asked for. */
const LIFETIME_SECONDS = 2 ** 32

/** Informers keep no Secret's data but that of token Secrets. */
export function keptOfSecret({ apiVersion, kind, metadata, type, data }: Secret): Secret {
  const kept = {
    ...(apiVersion ? { apiVersion } : {}),
    ...(kind ? { kind } : {}),
    ...(metadata ? { metadata } : {}),
    ...(type ? { type } : {}),
  }
  return type === TOKEN_TYPE && data ? { ...kept, data } : kept
}

export function serviceAccountTokenController(rootCa: string): Controller {
  const ca = Buffer.from(rootCa).toString('base64')
  return {
    name: 'serviceaccount-token-controller',
    workers: 5,
    triggers: [
      itself(Secret),
      mapped(ServiceAccount, (account, informers) => {
        const secrets = informers.of(Secret).list(account.metadata?.namespace)
        return secrets.filter((secret) => isTokenOf(secret, account)).map((secret) => keyOf(secret))
      }),
    ],
    async reconcile(key, { client, informers }) {
      const secret = informers.of(Secret).get(key)
      if (!secret || secret.type !== TOKEN_TYPE || secret.metadata?.deletionTimestamp) return
      const name = secret.metadata?.annotations?.[ACCOUNT_NAME]
      if (!name) return
      const accountKey = { namespace: key.namespace!, name }
      const account = informers.of(ServiceAccount).get(accountKey) ?? (await client.get(ServiceAccount, accountKey).catch(ignoreNotFound))
      const claimedUid = secret.metadata?.annotations?.[ACCOUNT_UID]
      const { uid, resourceVersion } = secret.metadata!
      if (!account || (claimedUid && claimedUid !== account.metadata?.uid)) {
        // An account that may still come is waited for; one that was there and went takes its tokens along.
        if (claimedUid) {
          const preconditions = { uid: uid!, ...(resourceVersion ? { resourceVersion } : {}) }
          await client.delete(Secret, key, { preconditions }).catch(ignoreNotFound)
        }
        return
      }
      const data = secret.data ?? {}
      const namespace = Buffer.from(key.namespace!).toString('base64')
      if (data['token'] && data['ca.crt'] === ca && data['namespace'] && claimedUid) return
      const token = data['token'] ?? Buffer.from(await requestToken()).toString('base64')
      const annotations = { ...secret.metadata?.annotations, [ACCOUNT_UID]: account.metadata!.uid! }
      const filled = { ...data, token, 'ca.crt': ca, namespace: data['namespace'] ?? namespace }
      await client.update(Secret, { ...secret, metadata: { ...secret.metadata, annotations }, data: filled })

      async function requestToken(): Promise<string> {
        const request: TokenRequest = {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: {
            audiences: [],
            expirationSeconds: LIFETIME_SECONDS,
            boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: key.name, ...(uid ? { uid } : {}) },
          },
        }
        const answer = await client.create<ServiceAccount, TokenRequest>(ServiceAccount, request, { ...accountKey, subresource: 'token' })
        if (!answer.status?.token) throw new Error(`no token was issued for service account ${accountKey.namespace}/${name}`)
        return answer.status.token
      }
    },
  }
}

function isTokenOf({ type, metadata }: Secret, account: ServiceAccount): boolean {
  return type === TOKEN_TYPE && metadata?.annotations?.[ACCOUNT_NAME] === account.metadata?.name
}
