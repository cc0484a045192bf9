// Defaults of a pod spec, in pods and in every workload's template. What only pods get (requests from limits, service links) is in pod.ts.
import type {
  Container,
  EphemeralContainer,
  HTTPGetAction,
  LifecycleHandler,
  PersistentVolumeClaimSpec,
  PodSpec,
  PodTemplateSpec,
  Probe,
  ResourceFieldSelector,
  Volume,
  VolumeProjection,
} from '#api/generated/types.ts'
import { defaultQuantity, defaultResourceList, defaultResources } from './resource-list.ts'

const MODE = 0o644

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (template) defaultPodSpec((template.spec ??= { containers: [] }))
}

export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst'
  spec.restartPolicy ||= 'Always'
  spec.securityContext ??= {}
  spec.terminationGracePeriodSeconds ??= 30
  spec.schedulerName ||= 'default-scheduler'
  // The deprecated name and its successor are one field, as the conversion to upstream's internal type makes them.
  const account = spec.serviceAccountName || spec.serviceAccount
  if (account) {
    spec.serviceAccountName = account
    spec.serviceAccount = account
  }
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])])
    defaultContainer(container)
  for (const volume of spec.volumes ?? []) defaultVolume(volume)
  defaultResources(spec.resources)
  defaultResourceList(spec.overhead)
}

function defaultContainer(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= pullPolicyOf(container.image ?? '')
  container.terminationMessagePath ||= '/dev/termination-log'
  container.terminationMessagePolicy ||= 'File'
  for (const port of container.ports ?? []) port.protocol ||= 'TCP'
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) if (probe) defaultProbe(probe)
  for (const handler of [container.lifecycle?.postStart, container.lifecycle?.preStop]) if (handler) defaultHandler(handler)
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ||= 'v1'
    defaultDivisor(valueFrom?.resourceFieldRef)
  }
  // Written even when nothing is asked for, as upstream's own encoding does.
  container.resources ??= {}
  defaultResources(container.resources)
}

/** Always for an image that names no version or `latest`. */
function pullPolicyOf(image: string): 'Always' | 'IfNotPresent' {
  if (image.includes('@')) return 'IfNotPresent'
  const tag = /:([^:/]+)$/.exec(image)?.[1]
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent'
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1
  probe.periodSeconds ||= 10
  probe.successThreshold ||= 1
  probe.failureThreshold ||= 3
  if (probe.grpc) probe.grpc.service ??= ''
  defaultHandler(probe)
}

function defaultHandler({ httpGet }: LifecycleHandler): void {
  if (httpGet) defaultHttpGet(httpGet)
}

function defaultHttpGet(get: HTTPGetAction): void {
  get.path ||= '/'
  get.scheme ||= 'HTTP'
}

function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {}
  const { secret, configMap, downwardAPI, projected, hostPath, iscsi, rbd, azureDisk, scaleIO, ephemeral, emptyDir, image } = volume
  for (const source of [secret, configMap, downwardAPI, projected]) if (source) source.defaultMode ??= MODE
  for (const item of downwardAPI?.items ?? []) defaultDownwardItem(item)
  for (const source of projected?.sources ?? []) defaultProjection(source)
  if (hostPath) hostPath.type ??= ''
  if (iscsi) iscsi.iscsiInterface ||= 'default'
  if (rbd) {
    rbd.pool ||= 'rbd'
    rbd.user ||= 'admin'
    rbd.keyring ||= '/etc/ceph/keyring'
  }
  if (azureDisk) {
    azureDisk.cachingMode ||= 'ReadWrite'
    azureDisk.kind ||= 'Shared'
    azureDisk.fsType ??= 'ext4'
    azureDisk.readOnly ??= false
  }
  if (scaleIO) {
    scaleIO.storageMode ||= 'ThinProvisioned'
    scaleIO.fsType ||= 'xfs'
  }
  if (image) image.pullPolicy ||= pullPolicyOf(image.reference ?? '')
  if (ephemeral?.volumeClaimTemplate?.spec) defaultClaimSpec(ephemeral.volumeClaimTemplate.spec)
  defaultQuantity(emptyDir, 'sizeLimit')
}

function defaultProjection({ serviceAccountToken, downwardAPI }: VolumeProjection): void {
  if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= 3600
  for (const item of downwardAPI?.items ?? []) defaultDownwardItem(item)
}

function defaultDownwardItem(item: { fieldRef?: { apiVersion?: string }; resourceFieldRef?: ResourceFieldSelector }): void {
  if (item.fieldRef) item.fieldRef.apiVersion ||= 'v1'
  defaultDivisor(item.resourceFieldRef)
}

/** Written out even when zero, as upstream's own encoding does. */
function defaultDivisor(selector: ResourceFieldSelector | undefined): void {
  if (!selector) return
  selector.divisor ??= '0'
  defaultQuantity(selector, 'divisor')
}

export function defaultClaimSpec(spec: PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= 'Filesystem'
  defaultResources(spec.resources)
}
