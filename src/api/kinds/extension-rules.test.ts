// One row a rule of the kinds by which clusters are extended and kept in order, in upstream's words and order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import { type Change, createErrors, spec, updateErrors } from './minimal-objects.ts'

type Fields = Record<string, unknown>
type Row = [kind: string, what: string, change: Change, expected: string[]]

const kindOf = (name: string): Kind => builtinKinds.find(({ kind, version }) => kind === name && version === 'v1')!
const webhook =
  (fields: Fields): Change =>
  (object) =>
    void Object.assign(object.webhooks[0], fields)
const ruled =
  (fields: Fields): Change =>
  (object) =>
    void Object.assign(object.webhooks[0].rules[0], fields)
const at = (url: string) => webhook({ clientConfig: { url } })
const FORM = '; desired format: https://host[/path]'
const validation = (fields: Fields) => spec({ validations: [{ expression: 'true', ...fields }] })
const conversion = (fields: Fields) => spec({ conversion: fields })
const named =
  (name: string, change: Change): Change =>
  (object) => {
    object.metadata.name = name
    change(object)
  }
const rule = (fields: Fields) =>
  spec({
    rules: [{ subjects: [{ kind: 'User', user: { name: 'u' } }], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }], ...fields }],
  })
const queue = (fields: Fields) =>
  spec({ limited: { limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 8, queueLengthLimit: 50, ...fields } } } })
const protectedGroup =
  (value?: string): Change =>
  (crd) => {
    crd.metadata.name = 'foos.x.k8s.io'
    crd.spec.group = 'x.k8s.io'
    if (value !== undefined) crd.metadata.annotations = { 'api-approved.kubernetes.io': value }
  }
const APPROVAL = 'metadata.annotations[api-approved.kubernetes.io]'
const LABEL1035 =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"

const rows: Row[] = [
  [
    'ValidatingWebhookConfiguration',
    'a rule of nothing',
    ruled({ operations: [], apiGroups: [], apiVersions: [''], resources: [] }),
    [
      'webhooks[0].rules[0].operations: Required value',
      'webhooks[0].rules[0].apiGroups: Required value',
      'webhooks[0].rules[0].apiVersions[0]: Required value',
      'webhooks[0].rules[0].resources: Required value',
    ],
  ],
  [
    'ValidatingWebhookConfiguration',
    'wildcards beside others',
    ruled({ operations: ['*', 'CREATE'], apiGroups: ['*', ''], resources: ['*/*', 'pods/*', 'pods/log', '*/scale', 'x/scale'] }),
    [
      `webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`,
      `webhooks[0].rules[0].apiGroups: Invalid value: ["*",""]: if '*' is present, must not specify other API groups`,
      `webhooks[0].rules[0].resources[1]: Invalid value: "pods/*": if '*/*' is present, must not specify pods/*`,
      `webhooks[0].rules[0].resources[2]: Invalid value: "pods/log": if 'pods/*' is present, must not specify pods/log`,
      `webhooks[0].rules[0].resources[3]: Invalid value: "*/scale": if '*/*' is present, must not specify */scale`,
      `webhooks[0].rules[0].resources[4]: Invalid value: "x/scale": if '*/scale' is present, must not specify x/scale`,
      `webhooks[0].rules[0].resources: Invalid value: ["*/*","pods/*","pods/log","*/scale","x/scale"]: if '*/*' is present, must not specify other resources`,
    ],
  ],
  ['ValidatingWebhookConfiguration', 'a wildcard after what it includes', ruled({ resources: ['pods/log', 'pods', '*'] }), []],
  [
    'ValidatingWebhookConfiguration',
    'a wildcard before what it includes',
    ruled({ resources: ['*', 'pods'] }),
    [
      `webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources`,
    ],
  ],
  [
    'MutatingWebhookConfiguration',
    'a name, times and words out of form',
    webhook({
      name: 'a.b',
      timeoutSeconds: 31,
      sideEffects: 'Some',
      failurePolicy: 'Maybe',
      reinvocationPolicy: 'Often',
      admissionReviewVersions: ['v2', 'v2'],
    }),
    [
      'webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots',
      'webhooks[0].failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"',
      'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
      'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds',
      'webhooks[0].reinvocationPolicy: Unsupported value: "Often": supported values: "IfNeeded", "Never"',
      'webhooks[0].admissionReviewVersions[1]: Invalid value: "v2": duplicate version',
      'webhooks[0].admissionReviewVersions: Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1',
    ],
  ],
  [
    'ValidatingWebhookConfiguration',
    'an address of no host',
    at('example.com/a'),
    [
      `webhooks[0].clientConfig.url: Invalid value: "": 'https' is the only allowed URL scheme${FORM}`,
      `webhooks[0].clientConfig.url: Invalid value: "": host must be specified${FORM}`,
    ],
  ],
  [
    'ValidatingWebhookConfiguration',
    'an address with more than it may have',
    at('http://u:p@example.com/a?b=c#d'),
    [
      `webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme${FORM}`,
      'webhooks[0].clientConfig.url: Invalid value: "u:p": user information is not permitted in the URL',
      'webhooks[0].clientConfig.url: Invalid value: "d": fragments are not permitted in the URL',
      'webhooks[0].clientConfig.url: Invalid value: "b=c": query parameters are not permitted in the URL',
    ],
  ],
  [
    'ValidatingWebhookConfiguration',
    'an address and a service',
    webhook({ clientConfig: { url: 'http://x', service: { name: '', namespace: '' } } }),
    ['webhooks[0].clientConfig: Required value: exactly one of url or service is required'],
  ],
  [
    'ValidatingWebhookConfiguration',
    'a service out of form',
    webhook({ clientConfig: { service: { name: '', namespace: '', port: 70000, path: '/a//' } } }),
    [
      'webhooks[0].clientConfig.service.name: Required value',
      'webhooks[0].clientConfig.service.namespace: Required value',
      'webhooks[0].clientConfig.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive',
      'webhooks[0].clientConfig.service.path: Invalid value: "/a//": segment[1] may not be empty',
    ],
  ],
  [
    'ValidatingAdmissionPolicy',
    'parameters of no kind',
    spec({ paramKind: { apiVersion: 'a/b/c', kind: 'K_' } }),
    [
      'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      `spec.paramKind.kind: Invalid value: "K_": may have mixed case, but should otherwise match: ${LABEL1035}`,
    ],
  ],
  [
    'ValidatingAdmissionPolicy',
    'messages out of form',
    validation({ message: ' ', messageExpression: ' ', reason: 'Because' }),
    [
      'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified',
      'spec.validations[0].message: Invalid value: " ": message must be non-empty if specified',
      'spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"',
    ],
  ],
  [
    'ValidatingAdmissionPolicy',
    'a message of two lines',
    validation({ message: 'a\rb' }),
    ['spec.validations[0].message: Invalid value: "a\\rb": message must not contain line breaks'],
  ],
  ['ValidatingAdmissionPolicy', 'an expression of two lines', validation({ expression: 'true\n&& true' }), []],
  [
    'ValidatingAdmissionPolicy',
    'annotations out of form',
    spec({ auditAnnotations: [{ key: 'a' }, { key: 'a', valueExpression: `'${'x'.repeat(5120)}'` }] }),
    [
      'spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified',
      'spec.auditAnnotations[1].valueExpression: Required value: must not exceed 5120 bytes in length',
      'spec.auditAnnotations[1].key: Duplicate value: "a"',
    ],
  ],
  [
    'ValidatingAdmissionPolicy',
    'a variable by a word of the language',
    spec({ variables: [{ name: 'loop', expression: '1' }] }),
    ['spec.variables[0].name: Invalid value: "loop": name is not a valid CEL identifier'],
  ],
  [
    'ValidatingAdmissionPolicyBinding',
    'no actions, and parameters in two ways',
    spec({ validationActions: [], paramRef: { name: 'a', selector: {}, parameterNotFoundAction: 'Wait' } }),
    [
      'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
      'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
      'spec.paramRef.parameterNotFoundAction: Unsupported value: "Wait": supported values: "Deny", "Allow"',
      'spec.validationActions: Required value: at least one validation action is required',
    ],
  ],
  [
    'MutatingAdmissionPolicy',
    'patches of both types',
    spec({ mutations: [{ patchType: 'JSONPatch', applyConfiguration: { expression: 'Object{}' } }] }),
    [
      'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
      'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch',
    ],
  ],
  [
    'FlowSchema',
    'what is said of requests out of form',
    rule({
      nonResourceRules: [
        { verbs: ['fly'], nonResourceURLs: ['a', '/a b', '//a', '/*/a', '/a/*', ''] },
        { verbs: ['get', '*'], nonResourceURLs: ['*', '/a'] },
      ],
      resourceRules: [{ verbs: ['get'], apiGroups: ['*', ''], resources: ['*', 'pods'], namespaces: ['A'] }],
    }),
    [
      'spec.rules[0].resourceRules[0].apiGroups: Invalid value: ["*",""]: if \'*\' is present, must not specify other api groups',
      'spec.rules[0].resourceRules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources',
      "spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: \"A\": each member of this list must be '*' or a DNS-1123 label; a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      'spec.rules[0].nonResourceRules[0].verbs: Unsupported value: ["fly"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"',
      'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start with slash',
      'spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/a b": must not contain white-space',
      'spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: "//a": must not contain double slash',
      'spec.rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: "/*/a": wildcard can only do suffix matching',
      'spec.rules[0].nonResourceRules[0].nonResourceURLs[5]: Invalid value: "": must not be empty',
      'spec.rules[0].nonResourceRules[1].verbs: Invalid value: ["get","*"]: if \'*\' is present, must not specify other verbs',
      'spec.rules[0].nonResourceRules[1].nonResourceURLs: Invalid value: ["*","/a"]: if \'*\' is present, must not specify other non-resource URLs',
    ],
  ],
  [
    'FlowSchema',
    'subjects of two kinds, and of none',
    rule({ subjects: [{ kind: 'ServiceAccount', user: { name: 'u' }, serviceAccount: { name: '*' } }, { kind: 'User' }, {}] }),
    [
      'spec.rules[0].subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account',
      "spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'",
      "spec.rules[0].subjects[1].user: Required value: user is required when subject kind is 'User'",
      'spec.rules[0].subjects[2].kind: Unsupported value: "": supported values: "Group", "ServiceAccount", "User"',
    ],
  ],
  [
    'FlowSchema',
    'a level of no name, told apart by nobody knows what',
    spec({ priorityLevelConfiguration: {}, distinguisherMethod: { type: 'ByMood' } }),
    [
      'spec.distinguisherMethod.type: Unsupported value: {"Type":"ByMood"}: supported values: "ByNamespace", "ByUser"',
      'spec.priorityLevelConfiguration.name: Required value: must reference a priority level',
    ],
  ],
  [
    'PriorityLevelConfiguration',
    'hands that cannot be dealt',
    queue({ queues: 1_000_000, handSize: 4 }),
    [
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 4: required entropy bits of deckSize 1000000 and handSize 4 should not be greater than 60',
    ],
  ],
  [
    'PriorityLevelConfiguration',
    'shares out of range',
    spec({ limited: { nominalConcurrencyShares: -1, lendablePercent: 101, borrowingLimitPercent: -1, limitResponse: { type: 'Wait' } } }),
    [
      'spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer',
      'spec.limited.limitResponse.type: Unsupported value: "Wait": supported values: "Queue", "Reject"',
      'spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
      'spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer',
    ],
  ],
  [
    'PriorityLevelConfiguration',
    'a type nobody knows',
    named('exempt', spec({ type: 'Free' })),
    [
      `spec.type: Invalid value: "Free": type must be 'Exempt' if and only if name is 'exempt'`,
      'spec.type: Unsupported value: "Free": supported values: "Exempt", "Limited"',
    ],
  ],
  [
    'CustomResourceDefinition',
    'names out of form',
    (crd) => {
      Object.assign(crd.spec.names, { kind: 'Foo_', listKind: 'Foo_', singular: 'foo', shortNames: ['A'], categories: ['all', 'B'] })
      crd.spec.scope = 'World'
    },
    [
      'spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"',
      `spec.names.kind: Invalid value: "Foo_": may have mixed case, but should otherwise match: ${LABEL1035}`,
      `spec.names.listKind: Invalid value: "Foo_": may have mixed case, but should otherwise match: ${LABEL1035}`,
      `spec.names.shortNames[0]: Invalid value: "A": ${LABEL1035}`,
      'spec.names.listKind: Invalid value: "Foo_": kind and listKind may not be the same',
      `spec.names.categories[1]: Invalid value: "B": ${LABEL1035}`,
    ],
  ],
  [
    'CustomResourceDefinition',
    'conversion by nobody',
    conversion({ strategy: 'Webhook' }),
    [
      'spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook',
      'spec.conversion.conversionReviewVersions: Required value',
    ],
  ],
  [
    'CustomResourceDefinition',
    'a webhook nobody asks',
    conversion({ strategy: 'None', webhook: { clientConfig: { url: 'https://x' }, conversionReviewVersions: ['v1'] } }),
    [
      'spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook',
      'spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook',
    ],
  ],
  [
    'CustomResourceDefinition',
    'a group of the project’s own',
    protectedGroup(),
    [
      `${APPROVAL}: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111`,
    ],
  ],
  ['CustomResourceDefinition', 'a group that was approved', protectedGroup('https://github.com/kubernetes/enhancements/pull/1'), []],
  ['CustomResourceDefinition', 'a group that was not', protectedGroup('unapproved, a test'), []],
]
for (const [kind, what, change, expected] of rows)
  test(`${kind} ${expected.length > 0 ? 'refuses' : 'takes'} ${what}`, () => assert.deepEqual(createErrors(kindOf(kind), change), expected))

test('what every cluster has cannot be made otherwise', () => {
  for (const name of ['exempt', 'catch-all']) {
    const [error] = createErrors(kindOf('FlowSchema'), named(name, spec({ matchingPrecedence: 7 }))).slice(-1)
    assert.match(error!, new RegExp(`^spec: Invalid value: .*: spec of '${name}' must equal the fixed value$`))
  }
  const [error] = createErrors(
    kindOf('PriorityLevelConfiguration'),
    named('catch-all', () => {}),
  )
  assert.match(error!, /^spec: Invalid value: .*: spec of 'catch-all' must equal the fixed value$/)
})

test('CustomResourceDefinition keeps an approval that was out of form, and takes no worse one', () => {
  const change: Change = (crd) => (crd.spec.names.shortNames = ['f'])
  assert.deepEqual(updateErrors(kindOf('CustomResourceDefinition'), change, { before: protectedGroup('soon') }), [])
  const worse: Change = (crd) => (crd.metadata.annotations['api-approved.kubernetes.io'] = 'soon')
  const [error] = updateErrors(kindOf('CustomResourceDefinition'), worse, { before: protectedGroup('https://x.example.com') })
  assert.match(error!, /^metadata\.annotations\[api-approved\.kubernetes\.io\]: Invalid value: "soon": protected groups must have/)
})

test('ValidatingAdmissionPolicy refuses a status of nothing', () => {
  const change: Change = (policy) => (policy.status = { typeChecking: { expressionWarnings: [{ warning: '', fieldRef: ' ' }] } })
  assert.deepEqual(updateErrors(kindOf('ValidatingAdmissionPolicy'), change, { subresource: 'status' }), [
    'status.typeChecking.expressionWarnings[0].warning: Required value',
    'status.typeChecking.expressionWarnings[0].fieldRef: Required value',
  ])
})

test('FlowSchema refuses conditions twice, and of no type', () => {
  const change: Change = (schema) => (schema.status = { conditions: [{ type: 'A' }, { type: 'A' }, {}] })
  assert.deepEqual(updateErrors(kindOf('FlowSchema'), change, { subresource: 'status' }), [
    'status.conditions[1].type: Duplicate value: "A"',
    'status.conditions[2].type: Required value: must not be empty',
  ])
})
