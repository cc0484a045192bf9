// One row a rule of devices: asked for, offered and given, in upstream's words and order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import {
  type Change,
  createdObject,
  createErrors,
  errorTexts,
  type RuleRow,
  spec,
  testContext,
  updateErrors,
} from '#api/kinds/minimal-objects.ts'
import { DeviceClass } from './device-class.ts'
import { ResourceClaimTemplate } from './resource-claim-template.ts'
import { ResourceResourceClaim } from './resource-claim.ts'
import { ResourceSlice } from './resource-slice.ts'

type Fields = Record<string, unknown>

const NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const IDENTIFIER =
  "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"

const exactly =
  (fields: Fields): Change =>
  (claim) =>
    Object.assign(claim.spec.devices.requests[0].exactly, fields)
const devices =
  (fields: Fields): Change =>
  (claim) =>
    Object.assign(claim.spec.devices, fields)
const device = (fields: Fields, more: Fields = {}): Change => spec({ devices: [{ name: 'd', ...fields }], ...more })
const Claim = ResourceResourceClaim

const rows: RuleRow[] = [
  [
    Claim,
    'requests of neither and both kinds',
    devices({
      requests: [
        { name: 'a' },
        { name: 'A', exactly: { deviceClassName: 'gpu' }, firstAvailable: [{ name: 'x', deviceClassName: 'gpu' }] },
      ],
    }),
    [
      'spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required',
      `spec.devices.requests[1].name: Invalid value: "A": ${LABEL}`,
      'spec.devices.requests[1]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set',
    ],
  ],
  [
    Claim,
    'more requests than there may be',
    devices({ requests: Array.from({ length: 33 }, () => ({ name: 'A' })) }),
    ['spec.devices.requests: Too many: 33: must have at most 32 items'],
  ],
  [
    Claim,
    'choices of one name',
    devices({
      requests: [
        {
          name: 'r',
          firstAvailable: [
            { name: 'x', deviceClassName: 'gpu' },
            { name: 'x', deviceClassName: '' },
          ],
        },
      ],
    }),
    [
      'spec.devices.requests[0].firstAvailable[1].deviceClassName: Required value',
      'spec.devices.requests[0].firstAvailable[1]: Duplicate value: "x"',
    ],
  ],
  [
    Claim,
    'counts that do not fit',
    exactly({ allocationMode: 'All', count: 2 }),
    ["spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"],
  ],
  [
    Claim,
    'an unknown mode',
    exactly({ allocationMode: 'Some' }),
    ['spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"'],
  ],
  [
    Claim,
    'tolerations out of form',
    exactly({ tolerations: [{ operator: 'Exists', value: 'x', effect: 'Never' }, { operator: 'Near' }] }),
    [
      'spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "x": must be empty for operator `Exists`',
      'spec.devices.requests[0].exactly.tolerations[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None"',
      'spec.devices.requests[0].exactly.tolerations[1].operator: Unsupported value: "Near": supported values: "Equal", "Exists"',
    ],
  ],
  [
    Claim,
    'selectors of nothing',
    exactly({ selectors: [{}, { cel: { expression: 'x'.repeat(10_241) } }] }),
    [
      'spec.devices.requests[0].exactly.selectors[0].cel: Required value',
      'spec.devices.requests[0].exactly.selectors[1].cel.expression: Too long: may not be more than 10240 bytes',
    ],
  ],
  [
    Claim,
    'constraints and configurations of unknown requests',
    devices({
      constraints: [{ requests: ['r', 'q', 'r/x', 'r/x/y'], matchAttribute: 'model' }, {}],
      config: [{ requests: ['r', 'r'] }, { opaque: { driver: 'd', parameters: [] } }],
    }),
    [
      `spec.devices.constraints[0].requests[1]: Invalid value: "q": ${NO_REQUEST}`,
      `spec.devices.constraints[0].requests[2]: Invalid value: "r/x": ${NO_REQUEST}`,
      `spec.devices.constraints[0].requests[3]: Invalid value: "r/x/y": ${NO_REQUEST}`,
      'spec.devices.constraints[0].matchAttribute: Invalid value: "model": a fully qualified name must be a domain and a name separated by a slash',
      'spec.devices.constraints[1]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set',
      'spec.devices.config[0].requests[1]: Duplicate value: "r"',
      'spec.devices.config[0].opaque: Required value',
      'spec.devices.config[1].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object',
    ],
  ],
  [
    ResourceClaimTemplate,
    'metadata that cannot be set',
    (template) => (template.spec.metadata = { name: 'x' }),
    ['spec.metadata.name: Forbidden: cannot be set'],
  ],
  [
    DeviceClass,
    'a resource of no domain, and nothing to configure',
    spec({ extendedResourceName: 'gpu', config: [{}] }),
    ['spec.config[0].opaque: Required value', 'spec.extendedResourceName: Invalid value: "gpu": must be a valid extended resource name'],
  ],
  [
    ResourceSlice,
    'a pool and places out of form',
    spec({ pool: { name: 'a/B', resourceSliceCount: 0, generation: -1 }, nodeName: undefined, allNodes: false }),
    [
      "spec.pool.name: Invalid value: \"B\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      'spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero',
      'spec.pool.generation: Invalid value: -1: must be greater than or equal to zero',
      'spec.allNodes: Invalid value: false: must be either unset or set to true',
      'spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
    ],
  ],
  [
    ResourceSlice,
    'two places',
    spec({ allNodes: true }),
    [
      'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set',
    ],
  ],
  [
    ResourceSlice,
    'attributes out of form',
    device({ attributes: { '1a': { int: 1 }, '/b': { int: 1 }, c: {}, d: { int: 1, bool: true }, e: { version: '1' } } }),
    [
      `spec.devices[0].attributes[1a]: Invalid value: "1a": ${IDENTIFIER}`,
      'spec.devices[0].attributes[/b]: Invalid value: "": the domain must not be empty',
      'spec.devices[0].attributes[c]: Invalid value: "": exactly one value must be specified',
      'spec.devices[0].attributes[d]: Invalid value: {"int":1,"bool":true}: exactly one value must be specified',
      'spec.devices[0].attributes[e].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0',
    ],
  ],
  [
    ResourceSlice,
    'capacity shared in a way that does not fit',
    device({
      allowMultipleAllocations: true,
      capacity: {
        memory: { value: '10Gi', requestPolicy: { default: '3Gi', validValues: ['2Gi', '1Gi', '11Gi'] } },
        cores: { value: '10', requestPolicy: { default: '1', validRange: { min: '2', max: '12', step: '3' } } },
      },
    }),
    [
      'spec.devices[0].capacity[memory].requestPolicy.validValues[1]: Invalid value: "1Gi": values must be sorted in ascending order',
      'spec.devices[0].capacity[memory].requestPolicy.validValues[2]: Invalid value: "11Gi": option is larger than capacity value: 10Gi',
      'spec.devices[0].capacity[memory].requestPolicy.validValues: Invalid value: "3Gi": default value is not valid according to the requestPolicy',
      'spec.devices[0].capacity[cores].requestPolicy.validRange.min: Invalid value: "1": default is less than min: 2',
      'spec.devices[0].capacity[cores].requestPolicy.validRange.max: Invalid value: "12": max is larger than capacity value: 10',
      'spec.devices[0].capacity[cores].requestPolicy.validRange.step: Invalid value: "1": value is not a multiple of a given step (3) from (2)',
      'spec.devices[0].capacity[cores].requestPolicy.validRange.step: Invalid value: "12": value is not a multiple of a given step (3) from (2)',
    ],
  ],
  [
    ResourceSlice,
    'a policy of capacity nobody shares',
    device({ capacity: { memory: { value: '1Gi', requestPolicy: {} } } }),
    ['spec.devices[0].capacity[memory].requestPolicy: Forbidden: allowMultipleAllocations must be true'],
  ],
  [
    ResourceSlice,
    'taints and places of devices out of form',
    device({ taints: [{ key: 'a', effect: 'Never' }], nodeName: 'n' }),
    [
      'spec.devices[0].taints[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None"',
      'spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
    ],
  ],
  [
    ResourceSlice,
    'conditions of both kinds',
    device({ bindingConditions: ['a', 'a'], bindingFailureConditions: ['a'] }),
    [
      'spec.devices[0].bindingConditions[1]: Duplicate value: "a"',
      'spec.devices[0].bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with bindingConditions',
    ],
  ],
  [
    ResourceSlice,
    'counters beside devices, and none in a set',
    device({}, { sharedCounters: [{ name: 'c', counters: {} }] }),
    ['spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed', 'spec.sharedCounters[0].counters: Required value'],
  ],
]
for (const [kind, what, change, expected] of rows)
  test(`${kind.kind} refuses ${what}`, () => assert.deepEqual(createErrors(kind, change), expected))

const result = { request: 'r', driver: 'd.example.com', pool: 'p', device: 'd' }
const status =
  (fields: Fields): Change =>
  (claim) =>
    void (claim.status = { ...claim.status, ...fields })
const statuses: [what: string, change: Change, expected: string[]][] = [
  ['what was given', status({ allocation: { devices: { results: [result] } }, devices: [{ ...result, request: undefined }] }), []],
  [
    'users without names, twice, of nothing',
    status({ reservedFor: [{ resource: 'pods', name: 'a', uid: '1' }, { uid: '1' }] }),
    [
      'status.reservedFor[1].resource: Required value',
      'status.reservedFor[1].name: Required value',
      'status.reservedFor[1]: Duplicate value: "1"',
      'status.reservedFor: Forbidden: may not be specified when `allocated` is not set',
    ],
  ],
  [
    'devices for requests nobody made',
    status({
      allocation: { devices: { results: [{ ...result, request: 'q', pool: '', shareID: 'x' }], config: [{ source: 'Thin air' }] } },
    }),
    [
      `status.allocation.devices.results[0].request: Invalid value: "q": ${NO_REQUEST}`,
      'status.allocation.devices.results[0].pool: Required value',
      'status.allocation.devices.results[0].shareID: Invalid value: "x": error validating uid: invalid UUID length: 1',
      'status.allocation.devices.config[0].source: Unsupported value: "Thin air": supported values: "FromClaim", "FromClass"',
      'status.allocation.devices.config[0].opaque: Required value',
    ],
  ],
  [
    'what is told of devices it was not given',
    status({ devices: [{ driver: 'd.example.com', pool: 'p', device: 'e', data: 1, networkData: { ips: ['10.0.0.1/24', '10.0.0.1'] } }] }),
    [
      'status.devices[0]: Invalid value: "d.example.com/p/e": must be an allocated device in the claim',
      'status.devices[0].data: Invalid value: "<value omitted>": must be a valid JSON object',
      'status.devices[0].networkData.ips[1]: Invalid value: "10.0.0.1": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)',
    ],
  ],
]
for (const [what, change, expected] of statuses)
  test(`ResourceClaim’s status ${expected.length > 0 ? 'refuses' : 'takes'} ${what}`, () =>
    assert.deepEqual(updateErrors(Claim, change, { subresource: 'status' }), expected))

test('selectors are compiled when they are new', async () => {
  const found = async (kind: Kind<any>, object: any, previous?: any) =>
    errorTexts(await kind.validateFurther!(object, previous, { ...testContext, errors: [], warn: () => {} }))
  const wanting = (expression: string) => createdObject(Claim, exactly({ selectors: [{ cel: { expression } }] }))
  assert.deepEqual(await found(Claim, wanting('device.driver == "d"')), [])
  const at = 'spec.devices.requests[0].exactly.selectors[0].cel.expression'
  assert.deepEqual(await found(Claim, wanting('device.driver')), [`${at}: Invalid value: "device.driver": must evaluate to bool`])
  const [text] = await found(Claim, wanting('device.color'))
  assert.match(
    text!,
    /^spec\.devices\.requests\[0\]\.exactly\.selectors\[0\]\.cel\.expression: Invalid value: "device\.color": compilation failed: ERROR: <input>:1:7: undefined field 'color'/,
  )
  assert.deepEqual(await found(Claim, wanting('device.color'), wanting('device.color')), [])
  const of = (expression: string) => createdObject(DeviceClass, spec({ selectors: [{ cel: { expression } }] }))
  assert.deepEqual(await found(DeviceClass, of('1'), of('2')), [
    'spec.selectors[0].cel.expression: Invalid value: "1": must evaluate to bool',
  ])
  assert.deepEqual(await found(DeviceClass, of('1'), of('1')), [])
})
