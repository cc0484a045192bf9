// Volumes, claims and attribute classes stay until nobody uses them: a finalizer from birth, which a controller takes off.
import { CLAIM_PROTECTION_FINALIZER, VOLUME_ATTRIBUTES_PROTECTION_FINALIZER, VOLUME_PROTECTION_FINALIZER } from '#api/well-known.ts'
import type { AdmissionPlugin } from '#server/request.ts'
import { target } from './refusal.ts'

const FINALIZERS: Record<string, string> = {
  __proto__: null as never,
  persistentvolumeclaims: CLAIM_PROTECTION_FINALIZER,
  persistentvolumes: VOLUME_PROTECTION_FINALIZER,
  'volumeattributesclasses.storage.k8s.io': VOLUME_ATTRIBUTES_PROTECTION_FINALIZER,
}

export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  of: Object.keys(FINALIZERS),
  admit(request) {
    const finalizer = FINALIZERS[target(request)]
    if (!finalizer || request.operation !== 'CREATE' || !request.object) return
    const meta = (request.object.metadata ??= {})
    if (!meta.finalizers?.includes(finalizer)) meta.finalizers = [...(meta.finalizers ?? []), finalizer]
  },
}
