// Every pod runs as a service account and, unless it says otherwise, gets that account's token, the cluster's authority and its namespace as files.
import type { Container, Pod, Volume } from '#api/generated/types.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { MIRROR_ANNOTATION, MOUNTABLE_SECRETS_ANNOTATION } from '#api/well-known.ts'
import { randomSuffix } from '#lib/random.ts'
import { secretsOf } from '#api/pod-secrets.ts'
import type { AdmissionPlugin, AdmissionRequest, ServerContext } from '#server/request.ts'
import { denied, target } from './refusal.ts'

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
const VOLUME_PREFIX = 'kube-api-access-'
/** A namespace's default account appears a moment after the namespace. */
const WAIT_MS = 100
const ATTEMPTS = 20

export function serviceAccount(context: ServerContext): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    of: ['pods', 'pods/ephemeralcontainers'],
    admit(request) {
      if (target(request) !== 'pods' || request.operation !== 'CREATE') return
      const pod = request.object as Pod
      if (isMirror(pod)) return checkMirror(request, pod)
      if (!pod.spec) return
      pod.spec.serviceAccountName ||= 'default'
      pod.spec.serviceAccount = pod.spec.serviceAccountName
      return withAccount(request, context, (account) => runAs(pod, account, context))
    },
    validate(request) {
      const what = target(request)
      if (what !== 'pods' && what !== 'pods/ephemeralcontainers') return
      if (request.operation !== (what === 'pods' ? 'CREATE' : 'UPDATE')) return
      const pod = request.object as Pod
      if (isMirror(pod)) return checkMirror(request, pod)
      return withAccount(request, context, (account) => {
        if (account.metadata?.annotations?.[MOUNTABLE_SECRETS_ANNOTATION] === 'true') checkSecrets(request, pod, account)
      })
    },
  }
}

const isMirror = (pod: Pod): boolean => pod.metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined

/** Waits only for an account that is not there yet. */
function withAccount(
  request: AdmissionRequest,
  { reader, clock }: Pick<ServerContext, 'reader' | 'clock'>,
  act: (account: ServiceAccount) => void,
  attempt = 1,
): Promise<void> | void {
  const { namespace } = request.attributes
  const name = (request.object as Pod).spec?.serviceAccountName ?? ''
  const account = reader.get(ServiceAccount, { namespace, name })
  if (account) return act(account)
  // One that was made through another server a moment ago may not be here yet.
  const later = attempt < ATTEMPTS ? reader.fresh?.() : undefined
  if (name !== 'default' && later) return later.then(() => withAccount(request, { reader, clock }, act, ATTEMPTS))
  if (name !== 'default' || attempt === ATTEMPTS)
    throw denied(request, `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`)
  return clock.sleep(WAIT_MS).then(() => withAccount(request, { reader, clock }, act, attempt + 1))
}

function runAs(pod: Pod, account: ServiceAccount, context: ServerContext): void {
  const spec = pod.spec!
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(pod, context)
  if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
    spec.imagePullSecrets = account.imagePullSecrets.map((one) => ({ ...one }))
}

function mountToken({ spec }: Pod, { random }: ServerContext): void {
  const present = spec!.volumes?.find(({ name }) => name.startsWith(VOLUME_PREFIX))?.name
  const name = present ?? VOLUME_PREFIX + randomSuffix(random)
  const mounted = [...(spec!.initContainers ?? []), ...(spec!.containers ?? [])].map((container) => mount(container, name))
  if (!present && mounted.includes(true)) spec!.volumes = [...(spec!.volumes ?? []), accessVolume(name)]
}

function mount(container: Container, name: string): boolean {
  if (container.volumeMounts?.some(({ mountPath }) => mountPath === MOUNT_PATH)) return false
  container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath: MOUNT_PATH }]
  return true
}

function accessVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  }
}

function checkMirror(request: AdmissionRequest, pod: Pod): void {
  const { spec } = pod
  if (spec?.serviceAccountName) throw denied(request, 'a mirror pod may not reference service accounts')
  for (const _ of secretsOf(pod)) throw denied(request, 'a mirror pod may not reference secrets')
  if (spec?.volumes?.some(({ projected }) => projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken)))
    throw denied(request, 'a mirror pod may not use ServiceAccountToken volume projections')
}

function checkSecrets(request: AdmissionRequest, { spec }: Pod, account: ServiceAccount): void {
  const who = account.metadata?.name
  const mountable = new Set(account.secrets?.map(({ name }) => name))
  const pullable = new Set(account.imagePullSecrets?.map(({ name }) => name))
  const refuse = (what: string, name: string, list: string) => {
    throw denied(
      request,
      `${what} referencing secret.${list}=${JSON.stringify(name)} is not allowed because service account ${who} does not reference that secret`,
    )
  }
  for (const { name, secret } of spec?.volumes ?? [])
    if (secret && !mountable.has(secret.secretName)) refuse(`volume ${name}`, secret.secretName ?? '', 'secretName')
  for (const container of [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])]) {
    for (const { name, valueFrom } of container.env ?? []) {
      const secret = valueFrom?.secretKeyRef
      if (secret && !mountable.has(secret.name)) refuse(`container ${container.name} with envVar ${name}`, secret.name ?? '', 'secretName')
    }
    for (const { secretRef } of container.envFrom ?? [])
      if (secretRef && !mountable.has(secretRef.name))
        refuse(`container ${container.name} with envFrom`, secretRef.name ?? '', 'secretName')
  }
  for (const { name } of spec?.imagePullSecrets ?? [])
    if (!pullable.has(name))
      throw denied(request, `imagePullSecret is not allowed because service account ${who} does not reference that imagePullSecret`)
}
