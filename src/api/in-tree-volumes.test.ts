import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PersistentVolume, PersistentVolumeSpec, Volume } from './generated/types.ts'
import { driverOf, pluginOf, translated, translatedInline } from './in-tree-volumes.ts'

const GA = 'topology.kubernetes.io/zone'
const BETA = 'failure-domain.beta.kubernetes.io/zone'
const OLD_REGION = 'failure-domain.beta.kubernetes.io/region'
const EBS = { awsElasticBlockStore: { volumeID: 'aws://us-east-1a/vol-1' } }
const pdOf = (place: string) => `projects/UNSPECIFIED/${place}/disks/d`
const volume = (spec: Partial<PersistentVolumeSpec>, labels?: Record<string, string>): PersistentVolume => ({
  metadata: { name: 'v', ...(labels ? { labels } : {}), annotations: { 'kubernetes.io/azure-file-resource-group': 'rg' } },
  spec: { claimRef: { namespace: 'ns', name: 'c' }, ...spec },
})

const handles: [plugin: string, driver: string, source: Partial<PersistentVolumeSpec>, handle: string][] = [
  ['kubernetes.io/aws-ebs', 'ebs.csi.aws.com', EBS, 'vol-1'],
  ['kubernetes.io/aws-ebs', 'ebs.csi.aws.com', { awsElasticBlockStore: { volumeID: 'aws:///vol-2/' } }, 'vol-2'],
  ['kubernetes.io/aws-ebs', 'ebs.csi.aws.com', { awsElasticBlockStore: { volumeID: 'anything' } }, 'anything'],
  ['kubernetes.io/gce-pd', 'pd.csi.storage.gke.io', { gcePersistentDisk: { pdName: 'd' } }, pdOf('zones/UNSPECIFIED')],
  ['kubernetes.io/azure-disk', 'disk.csi.azure.com', { azureDisk: { diskName: 'd', diskURI: '/sub/d' } }, '/sub/d'],
  [
    'kubernetes.io/azure-file',
    'file.csi.azure.com',
    { azureFile: { secretName: 'azure-storage-account-acc-secret', shareName: 's', secretNamespace: 'other' } },
    'rg#acc#s#v#other',
  ],
  ['kubernetes.io/azure-file', 'file.csi.azure.com', { azureFile: { secretName: 'mine', shareName: 's' } }, 'rg#mine#s#v#ns'],
  ['kubernetes.io/cinder', 'cinder.csi.openstack.org', { cinder: { volumeID: 'c1' } }, 'c1'],
  ['kubernetes.io/vsphere-volume', 'csi.vsphere.vmware.com', { vsphereVolume: { volumePath: '[ds] a.vmdk' } }, '[ds] a.vmdk'],
  ['kubernetes.io/portworx-volume', 'pxd.portworx.com', { portworxVolume: { volumeID: 'p1' } }, 'p1'],
]
for (const [plugin, driver, source, handle] of handles)
  test(`translated names ${JSON.stringify(source)} as ${driver} does`, () => {
    const own = volume(source)
    assert.equal(driverOf(plugin), driver)
    assert.equal(pluginOf(own.spec), plugin)
    const { spec } = translated(own)
    assert.deepEqual([spec?.csi?.driver, spec?.csi?.volumeHandle], [driver, handle])
    for (const key of Object.keys(source)) assert.ok(!Object.hasOwn(spec!, key))
  })

test('translated finds the account in the name of a secret of any length', () => {
  const prefix = 'azure-storage-account-'
  const accounts: [secretName: string, account: string][] = [
    [`my-${prefix}a-secret-b-secret-c`, 'a-secret-b'],
    [`${prefix}-secret`, `${prefix}-secret`],
    [`-secret${prefix}a`, `-secret${prefix}a`],
    [prefix.repeat(60_000), prefix.repeat(60_000)],
  ]
  for (const [secretName, account] of accounts) {
    const { volumeHandle } = translated(volume({ azureFile: { secretName, shareName: 's' } })).spec!.csi!
    assert.ok(volumeHandle === `rg#${account}#s#v#ns`, secretName.slice(0, 50))
  }
})

test('translated leaves alone what no driver has taken over, or can make out', () => {
  const odd = { awsElasticBlockStore: { volumeID: 'aws://us-east-1a/disk' } }
  const unclaimed: PersistentVolume = { metadata: { name: 'v' }, spec: { azureFile: { secretName: 'x', shareName: 's' } } }
  const regions = volume({ gcePersistentDisk: { pdName: 'd' } }, { [GA]: 'a-b-c__x-y-z' })
  for (const own of [volume({ hostPath: { path: '/a' } }), volume(odd), unclaimed, regions]) assert.equal(translated(own), own)
  assert.equal(driverOf('kubernetes.io/rbd'), undefined)
  assert.equal(pluginOf({ hostPath: { path: '/a' } }), undefined)
})

const disks: [labels: Record<string, string>, handle: string][] = [
  [{ [GA]: 'us-central1-a' }, pdOf('zones/us-central1-a')],
  [{ [BETA]: 'us-central1-b', [GA]: 'us-central1-a' }, pdOf('zones/us-central1-b')],
  [{ [GA]: 'us-central1-a__us-central1-b' }, pdOf('regions/us-central1')],
]
for (const [labels, handle] of disks)
  test(`translated finds the place of a disk labelled ${JSON.stringify(labels)}`, () => {
    assert.equal(translated(volume({ gcePersistentDisk: { pdName: 'd' } }, labels)).spec?.csi?.volumeHandle, handle)
  })

for (const [modes, expected] of [
  [['ReadWriteMany'], ['ReadWriteOnce']],
  [['ReadWriteOnce', 'ReadOnlyMany'], ['ReadWriteOnce']],
  [['ReadOnlyMany'], ['ReadOnlyMany']],
] as const)
  test(`translated takes ${modes.join()} of a GCE disk for ${expected.join()}`, () => {
    const { spec } = translated(volume({ gcePersistentDisk: { pdName: 'd' }, accessModes: [...modes] }))
    assert.deepEqual(spec?.accessModes, expected)
    assert.deepEqual(translated(volume({ ...EBS, accessModes: [...modes] })).spec?.accessModes, modes)
  })

const where = (...terms: [key: string, value: string][][]) => ({
  nodeAffinity: {
    required: {
      nodeSelectorTerms: terms.map((term) => ({
        matchExpressions: term.map(([key, value]) => ({ key, operator: 'In', values: [value] })),
      })),
    },
  },
})
const zone = 'topology.ebs.csi.aws.com/zone'
const places: [title: string, spec: object, labels: Record<string, string>, expected: object][] = [
  ['of its affinity', where([[GA, 'a']], [['other', 'x']]), { [GA]: 'b' }, where([[zone, 'a']], [['other', 'x']])],
  [
    'of its affinity by older names',
    where([
      [BETA, 'a'],
      [OLD_REGION, 'r'],
    ]),
    {},
    where([
      [zone, 'a'],
      ['topology.kubernetes.io/region', 'r'],
    ]),
  ],
  ['of its labels', {}, { [GA]: 'a' }, where([[zone, 'a']])],
  [
    'of its labels by older names, with what else it asks for',
    where([['other', 'x']]),
    { [BETA]: 'a' },
    where([
      ['other', 'x'],
      [zone, 'a'],
    ]),
  ],
]
for (const [title, spec, labels, expected] of places)
  test(`translated has the driver's label for the zone ${title}`, () => {
    assert.deepEqual(translated(volume({ ...EBS, ...spec }, labels)).spec?.nodeAffinity, (expected as PersistentVolumeSpec).nodeAffinity)
  })

test('translated keeps where a volume is whose driver has no label of its own, or that says nothing', () => {
  const { nodeAffinity } = where([[GA, 'a']])
  assert.deepEqual(translated(volume({ azureDisk: { diskName: 'd', diskURI: 'u' }, nodeAffinity })).spec?.nodeAffinity, nodeAffinity)
  assert.equal(translated(volume(EBS)).spec?.nodeAffinity, undefined)
})

const inline: [Partial<Volume>, name: string, spec: PersistentVolumeSpec][] = [
  [
    { awsElasticBlockStore: { volumeID: 'vol-1', fsType: 'ext4', partition: 2, readOnly: true } },
    'ebs.csi.aws.com-vol-1',
    {
      accessModes: ['ReadWriteOnce'],
      csi: { driver: 'ebs.csi.aws.com', volumeHandle: 'vol-1', fsType: 'ext4', readOnly: true, volumeAttributes: { partition: '2' } },
    },
  ],
  [
    { gcePersistentDisk: { pdName: 'd', readOnly: true } },
    'pd.csi.storage.gke.io-d',
    {
      accessModes: ['ReadOnlyMany'],
      csi: {
        driver: 'pd.csi.storage.gke.io',
        volumeHandle: pdOf('zones/UNSPECIFIED'),
        readOnly: true,
        volumeAttributes: { partition: '' },
      },
    },
  ],
  [
    { azureDisk: { diskName: 'd', diskURI: '/sub/d', kind: 'Shared', cachingMode: 'None', fsType: 'ext4', readOnly: false } },
    'disk.csi.azure.com-d',
    {
      accessModes: ['ReadWriteOnce'],
      csi: {
        driver: 'disk.csi.azure.com',
        volumeHandle: '/sub/d',
        fsType: 'ext4',
        volumeAttributes: { 'csi-migration': 'true', kind: 'Shared', cachingMode: 'None', fsType: 'ext4' },
      },
    },
  ],
  [
    { azureFile: { secretName: 'azure-storage-account-acc-secret', shareName: 's' } },
    '#acc#s#data#ns',
    {
      accessModes: ['ReadWriteMany'],
      csi: {
        driver: 'file.csi.azure.com',
        volumeHandle: '#acc#s#data#ns',
        volumeAttributes: { sharename: 's' },
        nodeStageSecretRef: { name: 'azure-storage-account-acc-secret', namespace: 'ns' },
      },
    },
  ],
  [
    { cinder: { volumeID: 'c1' } },
    'cinder.csi.openstack.org-c1',
    { accessModes: ['ReadWriteOnce'], csi: { driver: 'cinder.csi.openstack.org', volumeHandle: 'c1' } },
  ],
  [
    { vsphereVolume: { volumePath: '[ds] a', storagePolicyName: 'gold' } },
    'csi.vsphere.vmware.com-[ds] a',
    {
      accessModes: ['ReadWriteOnce'],
      csi: { driver: 'csi.vsphere.vmware.com', volumeHandle: '[ds] a', volumeAttributes: { storagepolicyname: 'gold' } },
    },
  ],
  [
    { portworxVolume: { volumeID: 'p1', readOnly: true } },
    'pxd.portworx.com-p1',
    { accessModes: ['ReadOnlyMany'], csi: { driver: 'pxd.portworx.com', volumeHandle: 'p1' } },
  ],
]
for (const [source, name, spec] of inline)
  test(`translatedInline makes a volume of ${JSON.stringify(source)}`, () => {
    const made = translatedInline({ name: 'data', ...source }, 'ns')
    assert.deepEqual(made, { metadata: { name }, spec: { ...spec, volumeMode: 'Filesystem' } })
  })

test('translatedInline knows no volumes that no driver has taken over', () => {
  assert.equal(translatedInline({ name: 'data', emptyDir: {} }, 'ns'), undefined)
  assert.equal(translatedInline({ name: 'data', awsElasticBlockStore: { volumeID: 'aws://a/b' } }, 'ns'), undefined)
})
