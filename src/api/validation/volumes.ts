// Volumes of a pod: unique names, exactly one source each, and the fields of that source.
import { duplicate, type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { PersistentVolumeClaimTemplate, Volume } from '#api/generated/types.ts'
import { validateTemplateObjectMeta } from '#api/meta/object-meta.ts'
import { dnsLabel, dnsSubdomain } from '#api/names.ts'
import { quantityOf } from '#api/quantity.ts'
import { checkMessages, checkName, checkOneOf, checkRequired, each, type Errors, presentMembers } from './checks.ts'
import { validateClaimSpec } from './claim-spec.ts'
import { descendingPathMessages } from './paths.ts'
import { checkDownwardItem, checkItems, checkMode, validateProjected } from './projections.ts'
import { checkQuantity } from './resources.ts'
import {
  checkAzureDisk,
  checkDisk,
  checkDriverName,
  checkFc,
  checkFlex,
  checkFlocker,
  checkHostPath,
  checkIscsi,
  checkNfs,
  checkQuobyte,
  checkStorageOs,
  refuseFurther,
} from './volume-sources.ts'

type Source = Exclude<keyof Volume, 'name'>
type Check<K extends Source> = (source: NonNullable<Volume[K]>, path: string, errors: Errors) => void

/** Paths that upstream spells differently: of the fields of a source, and of one that is refused. */
const SPELLED: Record<string, string> = { gcePersistentDisk: 'persistentDisk' }
const REFUSED: Record<string, string> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' }

/** In the order in which a second source is refused. */
const SOURCES: { [K in Source]: Check<K> } = {
  emptyDir: ({ sizeLimit }, path, errors) => {
    if (sizeLimit === undefined || !checkQuantity(`${path}.sizeLimit`, sizeLimit, errors)) return
    if (quantityOf(sizeLimit).sign < 0) errors.push(forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity'))
  },
  hostPath: checkHostPath,
  gitRepo: ({ repository, directory = '' }, path, errors) => {
    checkRequired(`${path}.repository`, repository, errors)
    checkMessages(`${path}.directory`, directory, descendingPathMessages(directory), errors)
  },
  gcePersistentDisk: ({ pdName, partition }, path, errors) => checkDisk(path, ['pdName', pdName], partition, errors),
  awsElasticBlockStore: ({ volumeID, partition }, path, errors) => checkDisk(path, ['volumeID', volumeID], partition, errors),
  secret: ({ secretName, defaultMode, items }, path, errors) => {
    checkRequired(`${path}.secretName`, secretName, errors)
    checkMode(`${path}.defaultMode`, defaultMode, errors)
    checkItems(items, `${path}.items`, errors)
  },
  nfs: checkNfs,
  iscsi: (source, path, errors) => checkIscsi(source, path, errors, 'must be valid format starting with iqn, eui, or naa'),
  glusterfs: ({ endpoints, path: target }, path, errors) => {
    checkRequired(`${path}.endpoints`, endpoints, errors)
    checkRequired(`${path}.path`, target, errors)
  },
  flocker: checkFlocker,
  persistentVolumeClaim: ({ claimName }, path, errors) => void checkRequired(`${path}.claimName`, claimName, errors),
  rbd: ({ monitors, image }, path, errors) => {
    checkRequired(`${path}.monitors`, monitors, errors)
    checkRequired(`${path}.image`, image, errors)
  },
  cinder: ({ volumeID, secretRef }, path, errors) => {
    checkRequired(`${path}.volumeID`, volumeID, errors)
    if (secretRef) checkRequired(`${path}.secretRef.name`, secretRef.name, errors)
  },
  cephfs: ({ monitors }, path, errors) => void checkRequired(`${path}.monitors`, monitors, errors),
  quobyte: checkQuobyte,
  downwardAPI: ({ defaultMode, items }, path, errors) => {
    checkMode(`${path}.defaultMode`, defaultMode, errors)
    for (const item of items ?? []) checkDownwardItem(item, path, errors)
  },
  fc: checkFc,
  flexVolume: checkFlex,
  configMap: ({ name, defaultMode, items }, path, errors) => {
    checkRequired(`${path}.name`, name, errors)
    checkMode(`${path}.defaultMode`, defaultMode, errors)
    checkItems(items, `${path}.items`, errors)
  },
  azureFile: ({ secretName, shareName }, path, errors) => {
    checkRequired(`${path}.secretName`, secretName, errors)
    checkRequired(`${path}.shareName`, shareName, errors)
  },
  vsphereVolume: ({ volumePath }, path, errors) => void checkRequired(`${path}.volumePath`, volumePath, errors),
  photonPersistentDisk: ({ pdID }, path, errors) => void checkRequired(`${path}.pdID`, pdID, errors),
  portworxVolume: ({ volumeID }, path, errors) => void checkRequired(`${path}.volumeID`, volumeID, errors),
  azureDisk: checkAzureDisk,
  storageos: checkStorageOs,
  projected: (source, path, errors) => void errors.push(...validateProjected(source, path)),
  scaleIO: ({ gateway, system, volumeName }, path, errors) => {
    checkRequired(`${path}.gateway`, gateway, errors)
    checkRequired(`${path}.system`, system, errors)
    checkRequired(`${path}.volumeName`, volumeName, errors)
  },
  csi: ({ driver, nodePublishSecretRef: secret }, path, errors) => {
    checkDriverName(`${path}.driver`, driver, errors)
    if (!secret) return
    if (!secret.name) errors.push(required(`${path}.nodePublishSecretRef.name`))
    else checkMessages(`${path}.name`, secret.name, dnsSubdomain(secret.name), errors)
  },
  ephemeral: ({ volumeClaimTemplate: template }, path, errors) => {
    if (checkRequired(`${path}.volumeClaimTemplate`, template, errors)) checkClaimTemplate(template!, `${path}.volumeClaimTemplate`, errors)
  },
  image: ({ reference, pullPolicy }, path, errors) => {
    checkRequired(`${path}.reference`, reference, errors)
    checkOneOf(`${path}.pullPolicy`, pullPolicy, ['Always', 'IfNotPresent', 'Never'], errors, { required: true })
  },
}

function checkClaimTemplate({ metadata, spec }: PersistentVolumeClaimTemplate, path: string, errors: Errors): void {
  errors.push(...validateTemplateObjectMeta(metadata, `${path}.metadata`), ...validateClaimSpec(spec ?? {}, `${path}.spec`))
}

export type KnownVolumes = Map<string, { claim: boolean }>

/** Also says which volumes containers may name: those that are in order. `podName`: of a pod, none of a template. */
export function validateVolumes(
  volumes: Volume[] | undefined,
  path: string,
  podName?: string,
): { errors: FieldError[]; known: KnownVolumes } {
  const errors: FieldError[] = []
  const known: KnownVolumes = new Map()
  const made = new Set(podName ? volumes?.filter(({ ephemeral }) => ephemeral).map(({ name }) => `${podName}-${name}`) : [])
  each(volumes, path, (volume, at) => {
    const { name = '', persistentVolumeClaim } = volume
    const wrong: Errors = []
    checkSources(volume, at, podName, wrong)
    checkName(`${at}.name`, name, dnsLabel, wrong)
    if (known.has(name)) wrong.push(duplicate(`${at}.name`, name))
    if (wrong.length === 0) known.set(name, { claim: Boolean(persistentVolumeClaim || volume.ephemeral) })
    errors.push(...wrong)
    if (persistentVolumeClaim && made.has(persistentVolumeClaim.claimName))
      errors.push(
        invalid(
          `${at}.persistentVolumeClaim.claimName`,
          persistentVolumeClaim.claimName,
          'must not reference a PVC that gets created for an ephemeral volume',
        ),
      )
  })
  return { errors, known }
}

const SOURCE_NAMES = Object.keys(SOURCES) as Source[]

/** Of thirty sources a volume has one: asking for each is left to those that have more. */
function sourcesOf(volume: Volume): Source[] {
  const present = Object.keys(volume).filter((name) => name !== 'name' && Object.hasOwn(SOURCES, name))
  return present.length === 1 && volume[present[0] as Source] ? (present as Source[]) : presentMembers(volume, SOURCE_NAMES)
}

function checkSources(volume: Volume, path: string, podName: string | undefined, errors: Errors): void {
  const [first, ...further] = sourcesOf(volume)
  if (first === undefined) return void errors.push(required(path, 'must specify a volume type'))
  ;(SOURCES as Record<string, Check<any>>)[first]!(volume[first], `${path}.${SPELLED[first] ?? first}`, errors)
  refuseFurther(further, path, REFUSED, errors)
  const { iscsi, ephemeral, name = '' } = volume
  if (iscsi?.initiatorName !== undefined && `${name}:${iscsi.targetPortal}`.length > 64)
    errors.push(
      invalid(
        `${path}.name`,
        name,
        'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.',
      ),
    )
  if (!ephemeral || first !== 'ephemeral' || !podName || !name) return
  const claim = `${podName}-${name}`
  for (const message of dnsSubdomain(claim)) errors.push(invalid(`${path}.name`, name, `PVC name "${claim}": ${message}`))
}
