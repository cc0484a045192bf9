// Volumes that Kubernetes once attached and mounted itself, as the CSI drivers know them that took over. Upstream acts on the translation wherever it acts
// on such a volume, and so do we; stored objects stay as they are. Classes are not translated: what they ask for is for the driver's provisioner.
import type {
  CSINode,
  AzureFilePersistentVolumeSource,
  CSIPersistentVolumeSource,
  PersistentVolume,
  PersistentVolumeSpec,
  Volume,
  VolumeNodeAffinity,
} from './generated/types.ts'
import { MIGRATED_PLUGINS_ANNOTATION, OLD_REGION_LABEL, OLD_ZONE_LABEL, REGION_LABEL, ZONE_LABEL } from './well-known.ts'

type Key = keyof PersistentVolumeSpec & keyof Volume
type Source<K extends Key> = NonNullable<PersistentVolumeSpec[K]>
type Csi = Omit<CSIPersistentVolumeSource, 'driver'>

/** What the volume is besides its source. */
interface Setting {
  /** Of the PersistentVolume; of a pod's own volume, the one it has there. */
  name: string
  /** Of the claim or the pod. */
  namespace: string | undefined
  labels: Readonly<Record<string, string>>
  annotations: Readonly<Record<string, string>>
}

interface Successor<K extends Key> {
  /** As in classes and annotations. */
  plugin: string
  driver: string
  /** Label of nodes that tells the driver's zone. */
  zone?: string
  /** Undefined: it is none that the driver could know. */
  csi(source: Source<K>, setting: Setting): Csi | undefined
  /** In what ways a PersistentVolume that says `modes` can be had. */
  accessModes?(modes: string[]): string[]
  /** Of a pod's own volume, unless it is driver and handle; and the way it can be had, unless for one node. */
  inlineName?(source: Source<K>, csi: Csi): string
  inlineMode?(source: Source<K>): string
}

const SUCCESSORS: { readonly [K in Key]?: Successor<K> } = {
  awsElasticBlockStore: {
    plugin: 'kubernetes.io/aws-ebs',
    driver: 'ebs.csi.aws.com',
    zone: 'topology.ebs.csi.aws.com/zone',
    csi({ volumeID, partition = 0, ...how }) {
      const volumeHandle = volumeID.startsWith('aws://') ? /^aws:\/\/[^/]*\/+(vol-[^/]*)\/*$/.exec(volumeID)?.[1] : volumeID
      return volumeHandle === undefined ? undefined : { volumeHandle, ...mounted(how), volumeAttributes: { partition: String(partition) } }
    },
  },
  gcePersistentDisk: {
    plugin: 'kubernetes.io/gce-pd',
    driver: 'pd.csi.storage.gke.io',
    zone: 'topology.gke.io/zone',
    csi({ pdName, partition, ...how }, { labels }) {
      const place = placeOfDisk(zonesOf(labels[OLD_ZONE_LABEL] || labels[ZONE_LABEL]))
      const volumeHandle = `projects/UNSPECIFIED/${place}/disks/${pdName}`
      return place ? { volumeHandle, ...mounted(how), volumeAttributes: { partition: partition ? String(partition) : '' } } : undefined
    },
    // It never could be written by many, nor read by many while one writes, whatever was said of it.
    accessModes: (modes) => (modes.every((mode) => mode === 'ReadOnlyMany') ? ['ReadOnlyMany'] : ['ReadWriteOnce']),
    inlineName: ({ pdName }) => `pd.csi.storage.gke.io-${pdName}`,
    inlineMode: ({ readOnly }) => (readOnly ? 'ReadOnlyMany' : 'ReadWriteOnce'),
  },
  azureDisk: {
    plugin: 'kubernetes.io/azure-disk',
    driver: 'disk.csi.azure.com',
    csi({ diskURI, kind = 'Managed', cachingMode, ...how }) {
      const cache = cachingMode ? { cachingMode } : {}
      const fsType = how.fsType === undefined ? {} : { fsType: how.fsType }
      return { volumeHandle: diskURI, ...mounted(how), volumeAttributes: { 'csi-migration': 'true', kind, ...cache, ...fsType } }
    },
    inlineName: ({ diskName }) => `disk.csi.azure.com-${diskName}`,
  },
  azureFile: {
    plugin: 'kubernetes.io/azure-file',
    driver: 'file.csi.azure.com',
    csi({ secretName, shareName, ...how }: AzureFilePersistentVolumeSource, { name, annotations, ...setting }) {
      const namespace = how.secretNamespace ?? setting.namespace
      if (!namespace) return undefined
      const group = annotations['kubernetes.io/azure-file-resource-group'] ?? ''
      return {
        volumeHandle: [group, accountOf(secretName), shareName, name, namespace].join('#'),
        ...mounted(how),
        volumeAttributes: { sharename: shareName },
        nodeStageSecretRef: { name: secretName, namespace },
      }
    },
    inlineName: (_, { volumeHandle }) => volumeHandle,
    inlineMode: () => 'ReadWriteMany',
  },
  cinder: {
    plugin: 'kubernetes.io/cinder',
    driver: 'cinder.csi.openstack.org',
    zone: 'topology.cinder.csi.openstack.org/zone',
    csi: ({ volumeID, ...how }) => ({ volumeHandle: volumeID, ...mounted(how) }),
  },
  vsphereVolume: {
    plugin: 'kubernetes.io/vsphere-volume',
    driver: 'csi.vsphere.vmware.com',
    csi({ volumePath, fsType, storagePolicyName }) {
      const policy = storagePolicyName ? { volumeAttributes: { storagepolicyname: storagePolicyName } } : {}
      return { volumeHandle: volumePath, ...mounted({ fsType }), ...policy }
    },
  },
  portworxVolume: {
    plugin: 'kubernetes.io/portworx-volume',
    driver: 'pxd.portworx.com',
    csi: ({ volumeID, fsType }) => ({ volumeHandle: volumeID, ...mounted({ fsType }) }),
    inlineMode: ({ readOnly }) => (readOnly ? 'ReadOnlyMany' : 'ReadWriteOnce'),
  },
}
const BY_KEY = new Map(Object.entries(SUCCESSORS)) as Map<string, Successor<any>>
const DRIVERS = new Map(Object.values(SUCCESSORS).map(({ plugin, driver }) => [plugin, driver]))

/** Of the driver that took over from an in-tree plugin. */
export function driverOf(plugin: string): string | undefined {
  return DRIVERS.get(plugin)
}

/** Whether the driver took over from an in-tree plugin. */
export function isSuccessor(driver: string): boolean {
  return Object.values(SUCCESSORS).some((successor) => successor.driver === driver)
}

/** Of the in-tree plugin whose volume it is, if a driver has taken over. */
export function pluginOf(volume: PersistentVolumeSpec | Volume | undefined): string | undefined {
  return find(volume)?.successor.plugin
}

/** All that drivers took over from, as nodes tell it. */
export const MIGRATED_PLUGINS = [...DRIVERS.keys()].sort().join()

export function isMigratedOn(csiNode: CSINode | undefined, plugin: string): boolean {
  return csiNode?.metadata?.annotations?.[MIGRATED_PLUGINS_ANNOTATION]?.split(',').includes(plugin) ?? false
}

/** The same where there is nothing to translate, or no way to. */
export function translated(volume: PersistentVolume): PersistentVolume {
  const found = find(volume.spec)
  if (!found) return volume
  const { key, source, successor } = found
  const { name = '', labels = {}, annotations = {} } = volume.metadata ?? {}
  const csi = successor.csi(source, { name, labels, annotations, namespace: volume.spec?.claimRef?.namespace })
  if (!csi) return volume
  const { [key]: _, nodeAffinity, accessModes, ...spec } = volume.spec!
  const affinity = successor.zone ? affinityBy(successor.zone, nodeAffinity, labels) : nodeAffinity
  const modes = accessModes && (successor.accessModes?.(accessModes) ?? accessModes)
  return {
    ...volume,
    spec: {
      ...spec,
      ...(modes ? { accessModes: modes } : {}),
      ...(affinity ? { nodeAffinity: affinity } : {}),
      csi: { driver: successor.driver, ...csi },
    },
  }
}

/** A pod's own volume, as if it came from a PersistentVolume; it has no uid, for there is none. */
export function translatedInline(volume: Volume, namespace: string): PersistentVolume | undefined {
  const found = find(volume)
  if (!found) return undefined
  const { source, successor } = found
  const { driver } = successor
  const csi = successor.csi(source, { name: volume.name, namespace, labels: {}, annotations: {} })
  if (!csi) return undefined
  return {
    metadata: { name: successor.inlineName?.(source, csi) ?? `${driver}-${csi.volumeHandle}` },
    spec: { accessModes: [successor.inlineMode?.(source) ?? 'ReadWriteOnce'], csi: { driver, ...csi }, volumeMode: 'Filesystem' },
  }
}

/** Asked of every volume of every pod, few of which are any of these. */
function find(holder: PersistentVolumeSpec | Volume | undefined): { key: Key; source: any; successor: Successor<any> } | undefined {
  for (const key in holder) {
    const successor = BY_KEY.get(key)
    const source = successor && holder[key as Key]
    if (source !== undefined) return { key: key as Key, source, successor: successor! }
  }
  return undefined
}

function mounted({ readOnly, fsType }: { readOnly?: boolean | undefined; fsType?: string | undefined }): {
  readOnly?: true
  fsType?: string
} {
  return { ...(readOnly ? { readOnly } : {}), ...(fsType ? { fsType } : {}) }
}

/** Of `azure-storage-account-ACCOUNT-secret`. No pattern finds it: that would look through a long name again from every place where it may begin. */
function accountOf(secretName: string): string {
  const prefix = 'azure-storage-account-'
  const start = secretName.indexOf(prefix) + prefix.length
  const end = secretName.lastIndexOf('-secret')
  return start >= prefix.length && end > start ? secretName.slice(start, end) : secretName
}

/** Several stand in one label. */
const zonesOf = (label: string | undefined): string[] => (label ? label.split('__') : [])

/** In several zones it is its region's; undefined: they have none in common. */
function placeOfDisk(zones: readonly string[]): string | undefined {
  if (zones.length < 2) return `zones/${zones[0] ?? 'UNSPECIFIED'}`
  const regions = new Set(zones.map((zone) => /^([^-]*-[^-]*)-[^-]*$/.exec(zone)?.[1]))
  const [region] = regions
  return regions.size === 1 && region !== undefined ? `regions/${region}` : undefined
}

/** With the driver's label in place of the zone's; a volume that names none is where its labels say. */
function affinityBy(
  driverZone: string,
  affinity: VolumeNodeAffinity | undefined,
  labels: Readonly<Record<string, string>>,
): VolumeNodeAffinity | undefined {
  const terms = affinity?.required?.nodeSelectorTerms ?? []
  const isNamed = (label: string) => terms.some(({ matchExpressions }) => matchExpressions?.some(({ key }) => key === label))
  const named = [ZONE_LABEL, OLD_ZONE_LABEL].find(isNamed)
  const zone = named ?? [ZONE_LABEL, OLD_ZONE_LABEL].find((label) => Object.hasOwn(labels, label)) ?? ZONE_LABEL
  const zones = named ? [] : zonesOf(labels[zone]).map((one) => one.trim())
  const added = { key: driverZone, operator: 'In', values: [...new Set(zones)].filter(Boolean).sort() }
  if (terms.length + added.values.length === 0) return affinity
  const renamed = new Map([
    [zone, driverZone],
    [zone === OLD_ZONE_LABEL ? OLD_REGION_LABEL : '', REGION_LABEL],
  ])
  const nodeSelectorTerms = (terms.length > 0 ? terms : [{}]).map(({ matchExpressions = [], ...term }) => ({
    ...term,
    matchExpressions: [
      ...matchExpressions.map((one) => ({ ...one, key: renamed.get(one.key) ?? one.key })),
      ...(added.values.length > 0 ? [added] : []),
    ],
  }))
  return { required: { nodeSelectorTerms } }
}
