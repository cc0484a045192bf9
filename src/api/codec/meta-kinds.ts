// Kinds that travel but are not resources: what a DELETE says, what an error is, what lists of metadata look like.
import { definition } from '#api/definitions.ts'
import type { Expected } from './decode-body.ts'

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'

function metaKind(kind: string): Expected {
  return {
    group: '',
    version: 'v1',
    kind,
    get schema() {
      return definition(`${META}.${kind}`)
    },
  }
}

/** Decode with `anyVersion`: it is known to every group. */
export const DeleteOptionsKind = metaKind('DeleteOptions')
