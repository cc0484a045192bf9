// An object with nothing but its metadata.
import type { KubeObject } from '#api/object.ts'

export function partialMetadata({ metadata }: KubeObject, version: string): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: metadata ?? {} }
}
