// The fields of one volume source, where pods and persistent volumes have the same rules for it.
import { forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type {
  AzureDiskVolumeSource,
  FCVolumeSource,
  FlockerVolumeSource,
  HostPathVolumeSource,
  ISCSIVolumeSource,
  NFSVolumeSource,
  QuobyteVolumeSource,
  StorageOSVolumeSource,
} from '#api/generated/types.ts'
import { dnsLabel, dnsSubdomain } from '#api/names.ts'
import { checkMessages, checkOneOf, checkRequired, type Errors } from './checks.ts'
import { backStepMessages } from './paths.ts'

const HOST_PATH_TYPES = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket']
const INITIATORS = { iqn: /iqn\.\d{4}-\d{2}\.[A-Za-z0-9.-]+:[^,;*&$|\s]+$/, eui: /^eui.[A-Za-z0-9]{16}$/, naa: /^naa.[A-Za-z0-9]{32}$/ }
const HOST_AND_PORT = /^(\[[^[\]]*\]|[^:[\]]*):[^:[\]]*$/

export function checkHostPath({ path: target, type }: HostPathVolumeSource, path: string, errors: Errors): void {
  if (!target) return void errors.push(required(`${path}.path`))
  checkMessages(`${path}.path`, target, backStepMessages(target), errors)
  if (type !== undefined && !HOST_PATH_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, HOST_PATH_TYPES))
}

export function checkDisk(path: string, [field, id]: [string, string | undefined], partition: number | undefined, errors: Errors): void {
  checkRequired(`${path}.${field}`, id, errors)
  if ((partition ?? 0) < 0 || (partition ?? 0) > 255)
    errors.push(invalid(`${path}.partition`, partition, 'must be between 1 and 255, inclusive'))
}

export function checkNfs({ server, path: target }: NFSVolumeSource, path: string, errors: Errors): void {
  checkRequired(`${path}.server`, server, errors)
  checkRequired(`${path}.path`, target, errors)
  if (!target?.startsWith('/')) errors.push(invalid(`${path}.path`, target ?? '', 'must be an absolute path'))
}

/** `unknown`: what is said of a name that starts like none; pods and volumes word it differently. */
export function checkIscsi(source: ISCSIVolumeSource, path: string, errors: Errors, unknown: string): void {
  const { targetPortal, iqn, lun = 0, chapAuthDiscovery, chapAuthSession, secretRef: secret, initiatorName } = source
  checkRequired(`${path}.targetPortal`, targetPortal, errors)
  if (checkRequired(`${path}.iqn`, iqn, errors)) checkInitiator(iqn, `${path}.iqn`, unknown, errors)
  checkLun(lun, path, errors)
  if ((chapAuthDiscovery || chapAuthSession) && !secret) errors.push(required(`${path}.secretRef`))
  if (initiatorName !== undefined) checkInitiator(initiatorName, `${path}.initiatorname`, unknown, errors)
}

function checkInitiator(name: string, path: string, unknown: string, errors: Errors): void {
  const form = Object.entries(INITIATORS).find(([prefix]) => name.startsWith(prefix))?.[1]
  if (!form) errors.push(invalid(path, name, unknown))
  else if (!form.test(name)) errors.push(invalid(path, name, 'must be valid format'))
}

function checkLun(lun: number, path: string, errors: Errors): void {
  if (lun < 0 || lun > 255) errors.push(invalid(`${path}.lun`, lun, 'must be between 0 and 255, inclusive'))
}

export function checkFc({ targetWWNs = [], wwids = [], lun }: FCVolumeSource, path: string, errors: Errors): void {
  const at = `${path}.targetWWNs`
  if (targetWWNs.length === 0 && wwids.length === 0) errors.push(required(at, 'must specify either targetWWNs or wwids, but not both'))
  if (targetWWNs.length === 0) return
  if (wwids.length > 0) errors.push(invalid(at, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously'))
  if (lun === undefined) errors.push(required(`${path}.lun`, 'lun is required if targetWWNs is specified'))
  else checkLun(lun, path, errors)
}

export function checkQuobyte({ registry, tenant = '', volume }: QuobyteVolumeSource, path: string, errors: Errors): void {
  const message = 'must be a host:port pair or multiple pairs separated by commas'
  if (!registry) errors.push(required(`${path}.registry`, message))
  else if (tenant.length >= 65) errors.push(required(`${path}.tenant`, 'must be a UUID and may not exceed a length of 64 characters'))
  // Told once: the text is as long as there are pairs in it.
  else if (!registry.split(',').every((pair) => HOST_AND_PORT.test(pair))) errors.push(invalid(`${path}.registry`, registry, message))
  checkRequired(`${path}.volume`, volume, errors)
}

export function checkFlocker({ datasetName = '', datasetUUID }: FlockerVolumeSource, path: string, errors: Errors): void {
  if (!datasetName && !datasetUUID) errors.push(required(path, 'one of datasetName and datasetUUID is required'))
  if (datasetName && datasetUUID) errors.push(invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously'))
  if (datasetName.includes('/')) errors.push(invalid(`${path}.datasetName`, datasetName, "must not contain '/'"))
}

export function checkFlex({ driver, options }: { driver: string; options?: Record<string, string> }, path: string, errors: Errors): void {
  checkRequired(`${path}.driver`, driver, errors)
  for (const key of Object.keys(options ?? {})) {
    const domain = `.${key.split('/')[0]!.toLowerCase()}`
    if (domain.endsWith('.kubernetes.io') || domain.endsWith('.k8s.io'))
      errors.push(invalid(`${path}.options[${key}]`, key, 'kubernetes.io and k8s.io namespaces are reserved'))
  }
}

const MANAGED_URI = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}'
const BLOB_URI = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd'

export function checkAzureDisk({ diskName, diskURI = '', cachingMode, kind }: AzureDiskVolumeSource, path: string, errors: Errors): void {
  checkRequired(`${path}.diskName`, diskName, errors)
  checkRequired(`${path}.diskURI`, diskURI, errors)
  checkOneOf(`${path}.cachingMode`, cachingMode, ['None', 'ReadOnly', 'ReadWrite'], errors)
  checkOneOf(`${path}.kind`, kind, ['Dedicated', 'Managed', 'Shared'], errors)
  if (kind === undefined) return
  const [start, form] = kind === 'Managed' ? ['/subscriptions/', MANAGED_URI] : ['https://', BLOB_URI]
  if (!diskURI.startsWith(start)) errors.push(notSupported(`${path}.diskURI`, diskURI, [form]))
}

export function checkStorageOs({ volumeName, volumeNamespace, secretRef }: StorageOSVolumeSource, path: string, errors: Errors): void {
  if (!volumeName) errors.push(required(`${path}.volumeName`))
  else checkMessages(`${path}.volumeName`, volumeName, dnsLabel(volumeName), errors)
  if (volumeNamespace) checkMessages(`${path}.volumeNamespace`, volumeNamespace, dnsLabel(volumeNamespace), errors)
  if (secretRef) checkRequired(`${path}.secretRef.name`, secretRef.name, errors)
}

export function checkDriverName(path: string, name: string | undefined, errors: Errors): void {
  if (!name) return void errors.push(required(path))
  if (name.length > 63) errors.push({ type: 'FieldValueTooLong', field: path, message: 'Too long: may not be more than 63 bytes' })
  checkMessages(path, name, dnsSubdomain(name.toLowerCase()), errors)
}

/** The first source counts; each further one is refused by name. */
export function refuseFurther(given: readonly string[], path: string, spelled: Record<string, string>, errors: Errors): void {
  for (const extra of given) errors.push(forbidden(`${path}.${spelled[extra] ?? extra}`, 'may not specify more than 1 volume type'))
}
