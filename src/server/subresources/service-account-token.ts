// TokenRequest: a token for a service account, bound to what it is for and no longer good without it.
import type { AuthenticationTokenRequest, BoundObjectReference } from '#api/generated/types.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { conflictError, invalidError, notFoundError, StatusError } from '#api/status.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { checkTokenLife } from '#api/validation/projections.ts'
import { formatTime } from '#lib/clock.ts'
import type { IssueOptions, ServiceAccountTokens } from '#server/access/service-account-tokens.ts'
import type { ServerContext, SubresourceHandler } from '#server/request.ts'

/**
 * What projected volumes ask for. Such tokens for the API server live a year, for clients that never reload; users of one past this hour
 * are counted by upstream.
 */
const PROJECTED_SECONDS = 3607
const EXTENDED_SECONDS = 365 * 24 * 3600

export interface TokenLives {
  maxTokenSeconds?: number
  extendTokens?: boolean
}

export function serviceAccountToken(
  { reader, clock, random }: ServerContext,
  tokens: ServiceAccountTokens,
  { maxTokenSeconds = Infinity, extendTokens = true }: TokenLives = {},
): SubresourceHandler {
  return {
    kind: ServiceAccount,
    subresource: 'token',
    keepsIdentity: true,
    async create({ object, key, annotate, warn }) {
      const request = object as AuthenticationTokenRequest
      const { name, uid } = request.metadata ?? {}
      if (name && name !== key.name)
        throw refusal([invalid('metadata.name', name, 'must match the service account name if specified')], key.name)
      const account = reader.get(ServiceAccount, key)
      if (!account) throw notFoundError(ServiceAccount, key.name)
      if (uid && uid !== account.metadata?.uid)
        throw conflictError(
          REQUESTS,
          key.name,
          `the UID in the token request (${uid}) does not match the UID of the service account (${account.metadata?.uid})`,
        )
      const spec = request.spec ?? {}
      const asked = spec.expirationSeconds ?? 3600
      const audiences = spec.audiences?.length ? spec.audiences : [...tokens.audiences]
      const errors: FieldError[] = []
      checkTokenLife('spec.expirationSeconds', asked, errors)
      if (errors.length > 0) throw refusal(errors)
      const bound: Bound = spec.boundObjectRef ? boundTo(reader, account, spec.boundObjectRef) : {}
      const expirationSeconds = Math.min(asked, maxTokenSeconds)
      if (expirationSeconds < asked) warn(`requested expiration of ${asked} seconds shortened to ${expirationSeconds} seconds`)
      const extended =
        extendTokens &&
        bound.pod &&
        expirationSeconds === PROJECTED_SECONDS &&
        audiences.every((audience) => tokens.audiences.includes(audience))
      const id = random.uuid()
      const token = tokens.issue({
        id,
        account,
        audiences,
        expiresInSeconds: extended ? EXTENDED_SECONDS : expirationSeconds,
        ...(extended ? { warnAfterSeconds: expirationSeconds } : {}),
        ...bound,
      })
      annotate?.('authentication.kubernetes.io/issued-credential-id', `JTI=${id}`)
      const now = clock.now()
      return {
        ...request,
        metadata: { ...request.metadata, name: key.name, namespace: key.namespace ?? '', creationTimestamp: formatTime(now) },
        spec: { ...spec, audiences, expirationSeconds },
        status: { token, expirationTimestamp: formatTime(now + expirationSeconds * 1000) },
      } as KubeObject
    },
  }
}

type Bound = Pick<IssueOptions, 'pod' | 'node' | 'secret'>

/** As upstream names what was asked for. */
const REQUESTS = { group: 'authentication.k8s.io', plural: 'TokenRequest' }

function boundTo(reader: ServerContext['reader'], account: ServiceAccount, ref: BoundObjectReference): Bound {
  const { namespace = '', name: accountName } = account.metadata ?? {}
  const { name = '', uid, kind, apiVersion } = ref
  const find = <T extends KubeObject>(of: Kind<T>, key: { namespace?: string; name: string }): T => {
    const object = reader.get(of, key)
    if (!object) throw notFoundError(of, name)
    return object
  }
  const named = (object: KubeObject) => ({ name: object.metadata!.name!, uid: object.metadata!.uid! })
  const same = (object: KubeObject) => {
    if (uid && uid !== object.metadata?.uid)
      throw conflictError(
        { group: '', plural: kind ?? '' },
        name,
        `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      )
    return named(object)
  }
  // Any version of the core group will do.
  const isCore = !apiVersion || apiVersion.split('/').length !== 2
  if (isCore && kind === 'Pod') {
    const pod = find(Pod, { namespace, name })
    if (pod.spec?.serviceAccountName !== accountName)
      throw new StatusError(
        'BadRequest',
        `cannot bind token for serviceaccount ${JSON.stringify(accountName)} to pod running with different serviceaccount name.`,
      )
    const { nodeName } = pod.spec!
    const node = nodeName ? reader.get(Node, { name: nodeName }) : undefined
    // Where the node is gone, its name still tells something.
    return { pod: same(pod), ...(node ? { node: named(node) } : nodeName ? { node: { name: nodeName } } : {}) }
  }
  if (isCore && kind === 'Node') return { node: same(find(Node, { name })) }
  if (isCore && kind === 'Secret') return { secret: same(find(Secret, { namespace, name })) }
  const version = apiVersion?.includes('/') ? apiVersion : `/${apiVersion ?? ''}`
  throw new StatusError('BadRequest', `cannot bind token to object of type ${version}, Kind=${kind ?? ''}`)
}

function refusal(errors: FieldError[], name = ''): StatusError {
  return invalidError({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, name, errors)
}
