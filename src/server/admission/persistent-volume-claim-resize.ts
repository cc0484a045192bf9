// A claim grows only when it is bound and its class says volumes of it can grow.
import type { PersistentVolumeClaim } from '#api/generated/types.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import { quantityOf } from '#api/quantity.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import type { AdmissionPlugin, ServerContext } from '#server/request.ts'
import { denied, target } from './refusal.ts'

export function persistentVolumeClaimResize({ reader }: ServerContext): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    of: ['persistentvolumeclaims'],
    validate(request) {
      if (target(request) !== 'persistentvolumeclaims' || request.operation !== 'UPDATE') return
      const next = request.object as PersistentVolumeClaim
      const previous = request.oldObject as PersistentVolumeClaim
      const sizeOf = ({ spec }: PersistentVolumeClaim) => quantityOf(spec?.resources?.requests?.['storage']).nanos
      if (sizeOf(next) <= sizeOf(previous)) return
      if (previous.status?.phase !== 'Bound') throw denied(request, 'Only bound persistent volume claims can be expanded')
      const name = storageClassOf(next)
      if (name && reader.get(StorageClass, { name })?.allowVolumeExpansion) return
      throw denied(
        request,
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
      )
    },
  }
}
