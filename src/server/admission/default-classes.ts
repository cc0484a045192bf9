// Claims and ingresses that name no class get the cluster's default one: the newest marked as such.
import type { Ingress, PersistentVolumeClaim } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { IngressClass } from '#api/kinds/networking/ingress-class.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import type { KubeObject } from '#api/object.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import { DEFAULT_INGRESS_CLASS_ANNOTATION, DEFAULT_STORAGE_CLASS_ANNOTATIONS } from '#api/well-known.ts'
import type { AdmissionPlugin, ObjectReader, ServerContext } from '#server/request.ts'
import { target } from './refusal.ts'

export function defaultStorageClass({ reader }: ServerContext): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    of: ['persistentvolumeclaims'],
    admit(request) {
      if (target(request) !== 'persistentvolumeclaims' || request.operation !== 'CREATE') return
      const claim = request.object as PersistentVolumeClaim
      if (!claim.spec || storageClassOf(claim) !== undefined) return
      const name = newestDefault(reader, StorageClass, DEFAULT_STORAGE_CLASS_ANNOTATIONS)
      if (name) claim.spec.storageClassName = name
    },
  }
}

export function defaultIngressClass({ reader }: ServerContext): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    of: ['ingresses.networking.k8s.io'],
    admit(request) {
      if (target(request) !== 'ingresses.networking.k8s.io' || request.operation !== 'CREATE') return
      const ingress = request.object as Ingress
      if (!ingress.spec || ingress.spec.ingressClassName !== undefined) return
      if (ingress.metadata?.annotations?.['kubernetes.io/ingress.class'] !== undefined) return
      const name = newestDefault(reader, IngressClass, [DEFAULT_INGRESS_CLASS_ANNOTATION])
      if (name) ingress.spec.ingressClassName = name
    },
  }
}

function newestDefault<T extends KubeObject>(reader: ObjectReader, kind: Kind<T>, annotations: readonly string[]): string | undefined {
  const marked = [...reader.list(kind)].filter(({ metadata }) => annotations.some((one) => metadata?.annotations?.[one] === 'true'))
  const born = (object: T) => Date.parse(object.metadata?.creationTimestamp ?? '') || 0
  const nameOf = (object: T) => object.metadata?.name ?? ''
  return marked.toSorted((a, b) => born(b) - born(a) || (nameOf(a) < nameOf(b) ? -1 : 1))[0]?.metadata?.name
}
