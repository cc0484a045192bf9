// persistentvolume-expander-controller: says who has to make a claim's volume larger. Since upstream's in-tree drivers left nothing is resized
// in process: that is for a CSI driver's resizer or another controller, and nobody grows a hostPath or local volume.
import { driverOf, pluginOf } from '#api/in-tree-volumes.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { keyText } from '#api/object.ts'
import { quantityOf } from '#api/quantity.ts'
import type { Controller } from '#client/controller.ts'
import { itself } from '#client/triggers.ts'

/** By it a driver's resizer knows that a claim is its own whose volume is of the in-tree type. */
const RESIZER = 'volume.kubernetes.io/storage-resizer'

export function volumeExpander(): Controller {
  /** By claim, what it asked for last: said once for every growth, whatever else changes. */
  const told = new Map<string, { uid: string; wanted: string }>()
  return {
    name: 'persistentvolume-expander-controller',
    account: 'expand-controller',
    component: 'volume_expand',
    workers: 10,
    triggers: [itself(PersistentVolumeClaim)],
    reads: [PersistentVolume],
    async reconcile(key, { informers, client, events }) {
      const claim = informers.of(PersistentVolumeClaim).get(key)
      const wanted = claim?.spec?.resources?.requests?.['storage']
      const present = claim?.status?.capacity?.['storage']
      const bound = claim?.spec?.volumeName && claim.status?.phase === 'Bound'
      if (!bound || quantityOf(wanted).compare(quantityOf(present)) <= 0) return void told.delete(keyText(key))
      const name = claim.spec!.volumeName!
      const volume = informers.of(PersistentVolume).get({ name })
      if (!volume) throw new Error(`failed to get PV ${JSON.stringify(name)}: persistentvolumes ${JSON.stringify(name)} not found`)
      const reference = volume.spec?.claimRef
      if (reference?.namespace !== key.namespace || reference?.uid !== claim.metadata?.uid)
        throw new Error(`persistent Volume is not bound to PVC being updated : ${keyText(key)}`)
      const { uid = '' } = claim.metadata!
      const before = told.get(keyText(key))
      const remember = () => void told.set(keyText(key), { uid, wanted: wanted! })
      if (before?.uid === uid && quantityOf(wanted).compare(quantityOf(before.wanted)) <= 0) return remember()
      const plugin = pluginOf(volume.spec)
      const text = plugin
        ? `CSI migration enabled for ${plugin}; waiting for external resizer to expand the pvc`
        : 'waiting for an external controller to expand this PVC'
      events.event(claim, 'Normal', 'ExternalExpanding', text)
      if (plugin) {
        const patch = { metadata: { annotations: { [RESIZER]: driverOf(plugin)! } } }
        await client.patch(PersistentVolumeClaim, key, { type: 'merge', patch }, { subresource: 'status' })
      }
      remember()
    },
  }
}
