// serviceaccount-token-controller: fills Secrets of type kubernetes.io/service-account-token, and deletes them with their account.
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { keyOf, keyText, type ObjectKey } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import { SERVICE_ACCOUNT_NAME_ANNOTATION, SERVICE_ACCOUNT_TOKEN_TYPE, SERVICE_ACCOUNT_UID_ANNOTATION } from '#api/well-known.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'

/** Makes the token of a Secret; only whoever holds the cluster's key can. */
export type SignToken = (of: { namespace: string; account: { name: string; uid: string }; secret: string }) => string

/** Informers keep no Secret's data but that of token Secrets. */
export function keptOfSecret({ apiVersion, kind, metadata, type, data }: Secret): Secret {
  const kept = {
    ...(apiVersion ? { apiVersion } : {}),
    ...(kind ? { kind } : {}),
    ...(metadata ? { metadata } : {}),
    ...(type ? { type } : {}),
  }
  return type === SERVICE_ACCOUNT_TOKEN_TYPE && data ? { ...kept, data } : kept
}

export function serviceAccountTokenController(rootCa: string, sign: SignToken): Controller {
  const ca = Buffer.from(rootCa).toString('base64')
  /** The account of every token Secret seen: when it goes, the account names it no longer. */
  const owners = new Map<string, { namespace: string; name: string; uid: string }>()
  return {
    name: 'serviceaccount-token-controller',
    workers: 5,
    retries: 10,
    triggers: [
      itself(Secret),
      mapped(ServiceAccount, (account, informers) => {
        const secrets = informers.of(Secret).list(account.metadata?.namespace)
        return secrets.filter((secret) => isTokenOf(secret, account)).map((secret) => keyOf(secret))
      }),
    ],
    async reconcile(key, { client, informers }) {
      const secret = informers.of(Secret).get(key)
      if (!secret) return forget(key, { client, informers })
      if (secret.type !== SERVICE_ACCOUNT_TOKEN_TYPE || secret.metadata?.deletionTimestamp) return
      const name = secret.metadata?.annotations?.[SERVICE_ACCOUNT_NAME_ANNOTATION]
      if (!name) return
      const accountKey = { namespace: key.namespace!, name }
      const claimedUid = secret.metadata?.annotations?.[SERVICE_ACCOUNT_UID_ANNOTATION]
      const isClaimed = (one: ServiceAccount | undefined) => one !== undefined && (!claimedUid || claimedUid === one.metadata?.uid)
      const known = informers.of(ServiceAccount).get(accountKey)
      // One that is not known may have been made only now: asked of the API before anything is deleted.
      const account = isClaimed(known) ? known : await client.get(ServiceAccount, accountKey).catch(ignoreNotFound)
      const { uid, resourceVersion } = secret.metadata!
      if (!account || !isClaimed(account)) {
        const preconditions = { uid: uid!, ...(resourceVersion ? { resourceVersion } : {}) }
        return void (await client.delete(Secret, key, { preconditions }).catch(ignoreNotFound))
      }
      owners.set(keyText(key), { ...accountKey, uid: account.metadata!.uid! })
      const data = secret.data ?? {}
      const namespace = Buffer.from(key.namespace!).toString('base64')
      if (data['token'] && data['ca.crt'] === ca && data['namespace']) return
      const token =
        data['token'] ||
        Buffer.from(sign({ namespace: key.namespace!, account: { name, uid: account.metadata!.uid! }, secret: key.name })).toString(
          'base64',
        )
      const annotations = { ...secret.metadata?.annotations, [SERVICE_ACCOUNT_UID_ANNOTATION]: account.metadata!.uid! }
      const filled = { ...data, token, 'ca.crt': ca, namespace: data['namespace'] || namespace }
      await client.update(Secret, { ...secret, metadata: { ...secret.metadata, annotations }, data: filled })
    },
  }

  async function forget(key: ObjectKey, { client, informers }: Pick<ControllerContext, 'client' | 'informers'>): Promise<void> {
    const owner = owners.get(keyText(key))
    const account = owner && informers.of(ServiceAccount).get(owner)
    if (account?.metadata?.uid === owner?.uid && account?.secrets?.some(({ name }) => name === key.name)) {
      const secrets = account.secrets.filter(({ name }) => name !== key.name)
      await client.update(ServiceAccount, { ...account, secrets }).catch(ignoreNotFound)
    }
    owners.delete(keyText(key))
  }
}

function isTokenOf({ type, metadata }: Secret, account: ServiceAccount): boolean {
  return type === SERVICE_ACCOUNT_TOKEN_TYPE && metadata?.annotations?.[SERVICE_ACCOUNT_NAME_ANNOTATION] === account.metadata?.name
}
