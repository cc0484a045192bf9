// The slices of one service that one controller keeps, found without going through those of the whole namespace.
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import type { ObjectKey } from '#api/object.ts'
import { SERVICE_NAME_LABEL, SLICE_MANAGER_LABEL } from '#api/well-known.ts'
import type { Informers } from '#client/informer.ts'

export function slicesOf({ namespace, name }: ObjectKey, manager: string, informers: Informers): EndpointSlice[] {
  const slices = informers.of(EndpointSlice).by(placeOf, `${namespace}/${name}/${manager}`)
  return slices.filter(({ metadata }) => !metadata?.deletionTimestamp)
}

function placeOf({ metadata }: EndpointSlice): string {
  const { [SERVICE_NAME_LABEL]: service = '', [SLICE_MANAGER_LABEL]: manager = '' } = metadata?.labels ?? {}
  return `${metadata?.namespace}/${service}/${manager}`
}
