// One row a rule of volumes, claims, their classes and attachments, in upstream's words and order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { type Change, createErrors, type RuleRow, set, spec, updateErrors } from '#api/kinds/minimal-objects.ts'
import { StorageClass } from './storage-class.ts'
import { VolumeAttachment } from './volume-attachment.ts'

/** A volume of this source alone. */
const source = (fields: Record<string, unknown>): Change => spec({ hostPath: undefined, ...fields })
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

const rows: RuleRow[] = [
  [
    PersistentVolume,
    'nothing at all',
    (v) => (v.spec = {}),
    [
      'spec.accessModes: Required value',
      'spec.capacity: Required value',
      'spec.capacity: Unsupported value: null: supported values: "storage"',
      'spec: Required value: must specify a volume type',
    ],
  ],
  [
    PersistentVolume,
    'a capacity of something else',
    spec({ capacity: { cpu: '0' }, accessModes: ['Some'] }),
    [
      'spec.accessModes: Unsupported value: "Some": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      'spec.capacity: Unsupported value: {"cpu":"0"}: supported values: "storage"',
      'spec.capacity[cpu]: Invalid value: "0": must be greater than zero',
    ],
  ],
  [
    PersistentVolume,
    'a disk of this node on no node',
    source({ local: { path: '/a/../b' } }),
    [
      'spec.local.path: Invalid value: "/a/../b": must not contain \'..\'',
      'spec.nodeAffinity: Required value: Local volume requires node affinity',
    ],
  ],
  [
    PersistentVolume,
    'nodes that are not said',
    spec({ nodeAffinity: {} }),
    ['spec.nodeAffinity.required: Required value: must specify required node constraints'],
  ],
  [
    PersistentVolume,
    'a driver without a name, and secrets without a place',
    source({ csi: { driver: 'a_b', volumeHandle: '', nodeExpandSecretRef: { name: 'n' } } }),
    [
      `spec.csi.driver: Invalid value: "a_b": ${SUBDOMAIN}`,
      'spec.csi.volumeHandle: Required value',
      'spec.csi.nodeExpandSecretRef.namespace: Required value',
    ],
  ],
  [
    PersistentVolume,
    'a share without a path',
    source({ nfs: { server: 's', path: 'a' } }),
    ['spec.nfs.path: Invalid value: "a": must be an absolute path'],
  ],
  [
    PersistentVolume,
    'an initiator out of form',
    source({ iscsi: { targetPortal: 'p', iqn: 'x', lun: 256, secretRef: {} } }),
    [
      'spec.iscsi.iqn: Invalid value: "x": must be valid format',
      'spec.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive',
      'spec.iscsi.secretRef.name: Required value',
    ],
  ],
  [
    PersistentVolume,
    'sources beside the first',
    spec({ cephfs: { monitors: [] }, flexVolume: { driver: '' } }),
    ['spec.cephFS: Forbidden: may not specify more than 1 volume type', 'spec.flexVolume.driver: Required value'],
  ],
  [
    PersistentVolume,
    'words for choices',
    spec({ persistentVolumeReclaimPolicy: 'Keep', volumeMode: 'Tape', storageClassName: 'A', volumeAttributesClassName: '' }),
    [
      'spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain"',
      `spec.storageClassName: Invalid value: "A": ${SUBDOMAIN}`,
      'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
      'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
      'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
    ],
  ],
  [
    PersistentVolumeClaim,
    'a source of two kinds',
    spec({ dataSource: { kind: 'Thing', name: '' }, dataSourceRef: { apiGroup: 'A', kind: 'Thing', name: 'x' } }),
    [
      'spec.dataSource.name: Required value',
      'spec.dataSource: Invalid value: "Thing": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
      `spec.dataSourceRef.apiGroup: Invalid value: "A": ${SUBDOMAIN}`,
      'spec: Invalid value: {}: must match dataSourceRef',
    ],
  ],
  [
    PersistentVolumeClaim,
    'no known mode',
    spec({ accessModes: ['Some', 'ReadWriteOncePod'], volumeMode: 'Tape', selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }),
    [
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      'spec.accessModes: Unsupported value: "Some": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
    ],
  ],
  [
    StorageClass,
    'words for choices',
    set({ provisioner: 'a b', reclaimPolicy: 'Keep', volumeBindingMode: 'Later', parameters: { '': 'x' } }),
    [
      `provisioner: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'parameters: Invalid value: "": field can not be empty.',
      'reclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Retain"',
      'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
    ],
  ],
  [
    StorageClass,
    'topologies that repeat',
    set({
      allowedTopologies: [
        {
          matchLabelExpressions: [
            { key: 'a', values: ['x', 'y', 'x'] },
            { key: 'a', values: [] },
          ],
        },
        { matchLabelExpressions: [{ key: 'b', values: ['x', 'y'] }] },
        { matchLabelExpressions: [{ key: 'b', values: ['y', 'x'] }] },
      ],
    }),
    [
      'allowedTopologies[0].matchLabelExpressions[0].values[2]: Duplicate value: "x"',
      'allowedTopologies[0].matchLabelExpressions[1].values: Required value',
      'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "a"',
      'allowedTopologies[2].matchLabelExpressions: Duplicate value: ""',
    ],
  ],
  [
    StorageClass,
    'too many parameters',
    set({ parameters: Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`p${i}`, ''])) }),
    ['parameters: Too long: may not be more than 512 bytes'],
  ],
  [
    VolumeAttachment,
    'nobody to attach nothing nowhere',
    spec({ attacher: '', nodeName: '', source: { persistentVolumeName: '' } }),
    [
      'spec.attacher: Required value',
      'spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName',
      `spec.nodeName: Invalid value: "": ${SUBDOMAIN}`,
      'spec.attacher: Required value',
      `spec.source.persistentVolumeName: Invalid value: "": ${SUBDOMAIN}`,
    ],
  ],
  [
    VolumeAttachment,
    'an inline volume of its own',
    spec({
      source: {
        inlineVolumeSpec: {
          accessModes: ['ReadWriteOnce'],
          capacity: { storage: '1' },
          claimRef: { name: 'c' },
          hostPath: { path: '/a' },
          persistentVolumeReclaimPolicy: 'Delete',
          storageClassName: 'a',
          volumeMode: 'Block',
        },
      },
    }),
    [
      'spec.source.inlineVolumeSpec.claimRef: Forbidden: may not be specified in the context of inline volumes',
      'spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes',
      'spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes',
      'spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes',
      'spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes',
      'spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes',
    ],
  ],
]

for (const [kind, what, change, expected] of rows)
  test(`${kind.kind} refuses ${what}`, () => assert.deepEqual(createErrors(kind, change), expected))

const bound: Change = (claim) => {
  claim.spec.volumeName = 'pv'
  claim.spec.storageClassName = 'fast'
  // Creation starts with a phase of its own.
  Object.defineProperty(claim, 'status', { value: { phase: 'Bound', capacity: { storage: '1Gi' } }, enumerable: true })
}
const affinity = (key: string) => ({ required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'Exists' }] }] } })
const FROZEN =
  'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n'

const updates: [...RuleRow, options?: { before?: Change; subresource?: string }][] = [
  [PersistentVolume, 'the mode', spec({ volumeMode: 'Block' }), ['volumeMode: Invalid value: "Block": field is immutable']],
  [
    PersistentVolume,
    'its nodes',
    spec({ nodeAffinity: affinity('a') }),
    [
      'nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"a","Operator":"Exists","Values":null}],"MatchFields":null}]}}: field is immutable, except for updating from beta label to GA',
    ],
    { before: spec({ nodeAffinity: affinity('b') }) },
  ],
  [
    PersistentVolume,
    'a label of its nodes to the stable one',
    spec({ nodeAffinity: affinity('topology.kubernetes.io/zone') }),
    [],
    { before: spec({ nodeAffinity: affinity('failure-domain.beta.kubernetes.io/zone') }) },
  ],
  [
    PersistentVolume,
    'a secret for expansion that comes',
    (v) => (v.spec.csi.controllerExpandSecretRef = { name: 'a', namespace: 'b' }),
    [],
    { before: source({ csi: { driver: 'd', volumeHandle: 'h' } }) },
  ],
  [
    PersistentVolume,
    'the class of attributes to none',
    (v) => delete v.spec.volumeAttributesClassName,
    ['spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden'],
    { before: source({ csi: { driver: 'd', volumeHandle: 'h' }, volumeAttributesClassName: 'a' }) },
  ],
  [
    PersistentVolumeClaim,
    'the size while nothing is bound',
    spec({ resources: { requests: { storage: '2Gi' } } }),
    [
      `${FROZEN}@@ -6,7 +6,7 @@\n  "Resources": {\n   "Limits": null,\n   "Requests": {\n-   "storage": "1Gi"\n+   "storage": "2Gi"\n   }\n  },\n  "VolumeName": "",\n`,
    ],
  ],
  [PersistentVolumeClaim, 'the class where there was none', spec({ storageClassName: 'fast' }), []],
  [
    PersistentVolumeClaim,
    'the class in its old annotation',
    (c) => (c.metadata.annotations = { 'volume.beta.kubernetes.io/storage-class': 'b' }),
    ['metadata.annotations[volume.beta.kubernetes.io/storage-class]: Invalid value: "b": field is immutable'],
    { before: (c) => (c.metadata.annotations = { 'volume.beta.kubernetes.io/storage-class': 'a' }) },
  ],
  [
    PersistentVolumeClaim,
    'what status it may have',
    (c) =>
      (c.status = {
        capacity: { storage: '-1' },
        allocatedResources: { cpu: '1' },
        allocatedResourceStatuses: { storage: 'Odd' },
      }),
    [
      'status.capacity[storage]: Invalid value: -1: must be a valid resource quantity',
      'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"',
      'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"',
    ],
    { subresource: 'status' },
  ],
  [StorageClass, 'parameters', set({ parameters: { a: 'b' } }), ['parameters: Invalid value: {"a":"b"}: field is immutable']],
  [
    VolumeAttachment,
    'the node',
    spec({ nodeName: 'm' }),
    [
      'spec: Invalid value: {"Attacher":"d.example.com","Source":{"PersistentVolumeName":"pv","InlineVolumeSpec":null},"NodeName":"m"}: field is immutable',
    ],
  ],
  [
    VolumeAttachment,
    'why it fails',
    (a) => (a.status = { attached: false, attachError: { message: 'x'.repeat(1025), errorCode: -1 } }),
    [
      'status.attachError.message: Too long: may not be more than 262144 bytes',
      'status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive',
    ],
    { subresource: 'status' },
  ],
]

for (const [kind, what, change, expected, options] of updates)
  test(`${kind.kind} update of ${what} ${expected.length > 0 ? 'is refused' : 'is taken'}`, () =>
    assert.deepEqual(updateErrors(kind, change, options), expected))

/** A claim as it is once it was bound, and what becomes of it. */
function boundUpdate(change: Change): string[] {
  const previous = { metadata: {}, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } } } as any
  bound(previous)
  const next = structuredClone(previous)
  change(next)
  return PersistentVolumeClaim.validate!(next, previous, { now: 0, uuid: () => '', user: { username: '', groups: [] } }).map(
    ({ field, message }) => `${field}: ${message}`,
  )
}

for (const [what, storage, expected] of [
  ['more', '3Gi', []],
  ['less, but more than there is', '1500Mi', []],
  ['no more than there is', '1Gi', ['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity']],
] as const)
  test(`PersistentVolumeClaim that is bound may ${expected.length > 0 ? 'not ' : ''}ask for ${what}`, () =>
    assert.deepEqual(
      boundUpdate(({ spec: own }) => (own.resources.requests.storage = storage)),
      expected,
    ))
