// Where a container finds the pod's volumes: mounts and block devices. Upstream names the list, not the item, for some of what is wrong.
import { type FieldError, forbidden, invalid, notFound, required } from '#api/field-error.ts'
import { checkMessages, checkOneOf, each, type Errors } from './checks.ts'
import type { AnyContainer } from './containers.ts'
import { backStepMessages, descendingPathMessages } from './paths.ts'

type Volumes = ReadonlyMap<string, { claim: boolean }>

export function validateMounts(container: AnyContainer, path: string, volumes: Volumes): FieldError[] {
  const errors: FieldError[] = []
  checkMounts(container, `${path}.volumeMounts`, { volumes, errors })
  checkDevices(container, `${path}.volumeDevices`, { volumes, errors })
  return errors
}

interface Context {
  volumes: Volumes
  errors: Errors
}

function checkMounts(container: AnyContainer, path: string, { volumes, errors }: Context): void {
  const paths = new Set<string>()
  const devices = container.volumeDevices ?? []
  each(container.volumeMounts, path, (mount, at) => {
    const { name = '', mountPath = '', subPath, subPathExpr, mountPropagation, recursiveReadOnly } = mount
    if (!name) errors.push(required(`${at}.name`))
    if (!volumes.has(name)) errors.push(notFound(`${at}.name`, name))
    if (!mountPath) errors.push(required(`${at}.mountPath`))
    if (paths.has(mountPath)) errors.push(invalid(`${at}.mountPath`, mountPath, 'must be unique'))
    paths.add(mountPath)
    if (devices.some((device) => device.name === name)) errors.push(invalid(`${at}.name`, name, 'must not already exist in volumeDevices'))
    if (devices.some(({ devicePath }) => devicePath === mountPath))
      errors.push(invalid(`${at}.mountPath`, mountPath, 'must not already exist as a path in volumeDevices'))
    if (subPath) checkMessages(`${path}.subPath`, subPath, descendingPathMessages(subPath), errors)
    if (subPathExpr) {
      if (subPath) errors.push(invalid(`${at}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'))
      checkMessages(`${path}.subPathExpr`, subPathExpr, descendingPathMessages(subPathExpr), errors)
    }
    checkOneOf(`${path}.mountPropagation`, mountPropagation, ['Bidirectional', 'HostToContainer', 'None'], errors)
    if (mountPropagation === 'Bidirectional' && !container.securityContext?.privileged)
      errors.push(forbidden(`${path}.mountPropagation`, 'Bidirectional mount propagation is available only to privileged containers'))
    if (recursiveReadOnly === undefined || recursiveReadOnly === 'Disabled') return
    const where = `${path}.recursiveReadOnly`
    if (recursiveReadOnly !== 'Enabled' && recursiveReadOnly !== 'IfPossible')
      return checkOneOf(where, recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible'], errors)
    if (!mount.readOnly) errors.push(forbidden(where, 'may only be specified when readOnly is true'))
    if (mountPropagation !== undefined && mountPropagation !== 'None')
      errors.push(forbidden(where, 'may only be specified when mountPropagation is None or not specified'))
  })
}

function checkDevices(container: AnyContainer, path: string, { volumes, errors }: Context): void {
  if (!container.volumeDevices?.length) return
  const [names, paths] = [new Set<string>(), new Set<string>()]
  const mounts = container.volumeMounts ?? []
  each(container.volumeDevices, path, ({ name = '', devicePath = '' }, at) => {
    if (!name) errors.push(required(`${at}.name`))
    if (names.has(name)) errors.push(invalid(`${at}.name`, name, 'must be unique'))
    const volume = volumes.get(name)
    if (volume && !volume.claim)
      errors.push(invalid(`${at}.name`, name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'))
    if (!volume) errors.push(notFound(`${at}.name`, name))
    if (!devicePath) errors.push(required(`${at}.devicePath`))
    if (paths.has(devicePath)) errors.push(invalid(`${at}.devicePath`, devicePath, 'must be unique'))
    if (backStepMessages(devicePath).length > 0) errors.push(invalid(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')"))
    else paths.add(devicePath)
    if (mounts.some((mount) => mount.name === name)) errors.push(invalid(`${at}.name`, name, 'must not already exist in volumeMounts'))
    if (mounts.some(({ mountPath }) => mountPath === devicePath))
      errors.push(invalid(`${at}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts'))
    if (name) names.add(name)
  })
}
