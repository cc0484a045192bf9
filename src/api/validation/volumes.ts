// Volumes of a pod: unique names, exactly one source each, and the fields of that source.
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type { KeyToPath, Volume, VolumeProjection } from '#api/generated/types.ts'
import { configMapKey, dnsLabel, dnsSubdomain } from '#api/names.ts'
import { quantityOf } from '#api/quantity.ts'
import { checkMessages, checkName, checkOneOf, checkRequired, checkUnique, each, type Errors, presentMembers } from './checks.ts'
import { validateClaimSpec } from './claim-spec.ts'
import { PULL_POLICIES } from './containers.ts'
import { checkFieldRef, checkResourceFieldRef, VOLUME_FIELDS } from './environment.ts'
import { backStepMessages, nonReservedPathMessages } from './paths.ts'
import { checkQuantity } from './resources.ts'

const HOST_PATH_TYPES = ['', 'DirectoryOrCreate', 'Directory', 'FileOrCreate', 'File', 'Socket', 'CharDevice', 'BlockDevice']

type Source = Exclude<keyof Volume, 'name'>
type Check<K extends Source> = (source: NonNullable<Volume[K]>, path: string, errors: Errors) => void

/** In the order in which a second source is refused. What is not here has no rules beyond its type. */
const SOURCES: { [K in Source]: Check<K> } = {
  emptyDir: ({ sizeLimit }, path, errors) => {
    if (sizeLimit === undefined || !checkQuantity(`${path}.sizeLimit`, sizeLimit, errors)) return
    if (quantityOf(sizeLimit).sign < 0) errors.push(forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity'))
  },
  hostPath: checkHostPath,
  gitRepo: ({ repository, directory }, path, errors) => {
    checkRequired(`${path}.repository`, repository, errors)
    checkMessages(`${path}.directory`, directory, backStepMessages(directory ?? ''), errors)
  },
  gcePersistentDisk: ({ pdName }, path, errors) => void checkRequired(`${path}.pdName`, pdName, errors),
  awsElasticBlockStore: ({ volumeID }, path, errors) => void checkRequired(`${path}.volumeID`, volumeID, errors),
  secret: ({ secretName, defaultMode, items }, path, errors) => {
    checkRequired(`${path}.secretName`, secretName, errors)
    checkMode(`${path}.defaultMode`, defaultMode, errors)
    checkItems(items, `${path}.items`, errors)
  },
  nfs: ({ server, path: target }, path, errors) => {
    checkRequired(`${path}.server`, server, errors)
    if (checkRequired(`${path}.path`, target, errors) && !target.startsWith('/'))
      errors.push(invalid(`${path}.path`, target, 'must be an absolute path'))
  },
  iscsi: ({ targetPortal, iqn, lun }, path, errors) => {
    checkRequired(`${path}.targetPortal`, targetPortal, errors)
    checkRequired(`${path}.iqn`, iqn, errors)
    if ((lun ?? 0) < 0 || (lun ?? 0) > 255) errors.push(invalid(`${path}.lun`, lun, 'must be between 0 and 255, inclusive'))
  },
  glusterfs: ({ endpoints, path: target }, path, errors) => {
    checkRequired(`${path}.endpoints`, endpoints, errors)
    checkRequired(`${path}.path`, target, errors)
  },
  persistentVolumeClaim: ({ claimName }, path, errors) => void checkRequired(`${path}.claimName`, claimName, errors),
  rbd: ({ monitors, image }, path, errors) => {
    checkRequired(`${path}.monitors`, monitors, errors)
    checkRequired(`${path}.image`, image, errors)
  },
  flexVolume: ({ driver }, path, errors) => void checkRequired(`${path}.driver`, driver, errors),
  cinder: ({ volumeID }, path, errors) => void checkRequired(`${path}.volumeID`, volumeID, errors),
  cephfs: ({ monitors }, path, errors) => void checkRequired(`${path}.monitors`, monitors, errors),
  flocker: () => {},
  downwardAPI: ({ defaultMode, items }, path, errors) => {
    checkMode(`${path}.defaultMode`, defaultMode, errors)
    each(items, path, (item, at) => checkDownwardItem(item, at, errors))
  },
  fc: () => {},
  azureFile: ({ secretName, shareName }, path, errors) => {
    checkRequired(`${path}.secretName`, secretName, errors)
    checkRequired(`${path}.shareName`, shareName, errors)
  },
  configMap: ({ name, defaultMode, items }, path, errors) => {
    checkRequired(`${path}.name`, name, errors)
    checkMode(`${path}.defaultMode`, defaultMode, errors)
    checkItems(items, `${path}.items`, errors)
  },
  vsphereVolume: ({ volumePath }, path, errors) => void checkRequired(`${path}.volumePath`, volumePath, errors),
  quobyte: ({ registry, volume }, path, errors) => {
    checkRequired(`${path}.registry`, registry, errors)
    checkRequired(`${path}.volume`, volume, errors)
  },
  azureDisk: ({ diskName, diskURI }, path, errors) => {
    checkRequired(`${path}.diskName`, diskName, errors)
    checkRequired(`${path}.diskURI`, diskURI, errors)
  },
  photonPersistentDisk: ({ pdID }, path, errors) => void checkRequired(`${path}.pdID`, pdID, errors),
  projected: ({ defaultMode, sources }, path, errors) => {
    checkMode(`${path}.defaultMode`, defaultMode, errors)
    const paths = new Set<string>()
    each(sources, `${path}.sources`, (source, at) => checkProjection(source, at, { errors, paths, path }))
  },
  portworxVolume: ({ volumeID }, path, errors) => void checkRequired(`${path}.volumeID`, volumeID, errors),
  scaleIO: ({ gateway, system }, path, errors) => {
    checkRequired(`${path}.gateway`, gateway, errors)
    checkRequired(`${path}.system`, system, errors)
  },
  storageos: () => {},
  csi: ({ driver, nodePublishSecretRef }, path, errors) => {
    checkName(`${path}.driver`, driver, dnsSubdomain, errors)
    if (nodePublishSecretRef) checkRequired(`${path}.nodePublishSecretRef.name`, nodePublishSecretRef.name, errors)
  },
  ephemeral: ({ volumeClaimTemplate }, path, errors) => {
    if (!checkRequired(`${path}.volumeClaimTemplate`, volumeClaimTemplate, errors)) return
    errors.push(...validateClaimSpec(volumeClaimTemplate!.spec ?? {}, `${path}.volumeClaimTemplate.spec`))
  },
  image: ({ reference, pullPolicy }, path, errors) => {
    checkRequired(`${path}.reference`, reference, errors)
    checkOneOf(`${path}.pullPolicy`, pullPolicy, PULL_POLICIES, errors)
  },
}

export function validateVolumes(volumes: Volume[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  each(volumes, path, (volume, at) => {
    checkName(`${at}.name`, volume.name, dnsLabel, errors)
    const given = presentMembers(volume, Object.keys(SOURCES) as Source[])
    if (given.length === 0) errors.push(required(at, 'must specify a volume type'))
    for (const [index, source] of given.entries()) {
      if (index > 0) errors.push(forbidden(`${at}.${source}`, 'may not specify more than 1 volume type'))
      else (SOURCES as Record<string, Check<any>>)[source]!(volume[source], `${at}.${source}`, errors)
    }
  })
  checkUnique(volumes, path, ({ name }) => name, errors, '.name')
  return errors
}

export function checkHostPath({ path: target, type }: { path: string; type?: string }, path: string, errors: Errors): void {
  if (!target) return void errors.push(required(`${path}.path`))
  checkMessages(`${path}.path`, target, backStepMessages(target), errors)
  if (type !== undefined && !HOST_PATH_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, HOST_PATH_TYPES.toSorted()))
}

function checkMode(path: string, mode: number | undefined, errors: Errors): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777))
    errors.push(invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive'))
}

function checkItems(items: KeyToPath[] | undefined, path: string, errors: Errors): void {
  each(items, path, ({ key, path: target, mode }, at) => {
    checkName(`${at}.key`, key, configMapKey, errors)
    checkName(`${at}.path`, target, nonReservedPathMessages, errors)
    checkMode(`${at}.mode`, mode, errors)
  })
}

type DownwardItem = NonNullable<NonNullable<Volume['downwardAPI']>['items']>[number]

function checkDownwardItem({ path: target, fieldRef, resourceFieldRef, mode }: DownwardItem, path: string, errors: Errors): void {
  checkName(`${path}.path`, target, nonReservedPathMessages, errors)
  if (fieldRef) {
    checkFieldRef(fieldRef, `${path}.fieldRef`, VOLUME_FIELDS, errors)
    if (resourceFieldRef) errors.push(invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'))
  } else if (resourceFieldRef) checkResourceFieldRef(resourceFieldRef, `${path}.resourceFieldRef`, errors, true)
  else errors.push(required(path, 'one of fieldRef and resourceFieldRef is required'))
  checkMode(`${path}.mode`, mode, errors)
}

const PROJECTIONS = ['secret', 'downwardAPI', 'configMap', 'serviceAccountToken', 'clusterTrustBundle', 'podCertificate'] as const

function checkProjection(source: VolumeProjection, path: string, volume: { errors: Errors; paths: Set<string>; path: string }): void {
  const { errors, paths } = volume
  const given = presentMembers(source, PROJECTIONS)
  for (const extra of given.slice(1)) errors.push(forbidden(`${path}.${extra}`, 'may not specify more than 1 volume type per source'))
  const claim = (target: string | undefined) => {
    if (!target) return
    if (paths.has(target)) errors.push(invalid(volume.path, target, 'conflicting duplicate paths'))
    paths.add(target)
  }
  const { secret, configMap, downwardAPI, serviceAccountToken: token, clusterTrustBundle: bundle } = source
  for (const [name, ref] of [
    ['secret', secret],
    ['configMap', configMap],
  ] as const) {
    if (!ref) continue
    checkRequired(`${path}.${name}.name`, ref.name, errors)
    checkItems(ref.items, `${path}.${name}.items`, errors)
    for (const item of ref.items ?? []) claim(item.path)
  }
  each(downwardAPI?.items, `${path}.downwardAPI`, (item, at) => {
    checkDownwardItem(item, at, errors)
    claim(item.path)
  })
  if (token) {
    const { expirationSeconds: seconds = 3600 } = token
    if (seconds < 600)
      errors.push(invalid(`${path}.serviceAccountToken.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes'))
    if (seconds > 2 ** 32)
      errors.push(invalid(`${path}.serviceAccountToken.expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds'))
    checkName(`${path}.serviceAccountToken.path`, token.path, nonReservedPathMessages, errors)
    claim(token.path)
  }
  if (bundle) {
    checkName(`${path}.clusterTrustBundle.path`, bundle.path, nonReservedPathMessages, errors)
    claim(bundle.path)
  }
}
