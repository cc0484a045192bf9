// Volumes, claims and attribute classes stay until nobody uses them: a finalizer from birth, which a controller takes off.
import type { AdmissionPlugin } from '#server/request.ts'
import { target } from './refusal.ts'

const FINALIZERS: Record<string, string> = {
  __proto__: null as never,
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
  persistentvolumes: 'kubernetes.io/pv-protection',
  'volumeattributesclasses.storage.k8s.io': 'kubernetes.io/vac-protection',
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
