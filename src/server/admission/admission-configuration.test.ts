import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Pod } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import { MemoryReader } from '#server/access/memory-reader.ts'
import type { AdmissionRequest, ServerContext } from '#server/request.ts'
import { startTestServer } from '#server/testing.ts'
import { checkPluginNames, PRESENT, readAdmissionConfiguration } from './admission-configuration.ts'
import { nodeDeclaredFeatureValidator } from './node-declared-features.ts'
import { admissionPlugins } from './plugins.ts'

const everything = { authorize: () => ({ allowed: true, reason: '' }) }

test('PRESENT lists the plugins there are, in the order they run; those turned off are not there', async () => {
  const names: string[][] = []
  await using _server = await startTestServer({
    extensions(context) {
      for (const options of [{}, { disabled: ['Priority', 'LimitRanger'] }])
        names.push(admissionPlugins(context, everything, { options }).map(({ name }) => name))
      return {}
    },
  })
  assert.deepEqual(names[0], PRESENT)
  assert.deepEqual(
    names[1],
    PRESENT.filter((name) => name !== 'Priority' && name !== 'LimitRanger'),
  )
})

test('checkPluginNames refuses what is not there', () => {
  assert.doesNotThrow(() => checkPluginNames({ enabled: ['NodeRestriction', 'ClusterTrustBundleAttest'], disabled: ['AlwaysPullImages'] }))
  assert.throws(() => checkPluginNames({ disabled: ['Prioritie'] }), { message: '"Prioritie" is no admission plugin' })
  assert.throws(() => checkPluginNames({ enabled: ['AlwaysPullImages'] }), {
    message: 'admission plugin AlwaysPullImages is not supported',
  })
  assert.throws(() => checkPluginNames({ enabled: ['Priority'], disabled: ['Priority'] }), { message: /overlapped$/ })
})

function written(t: TestContext, content: object): string {
  const directory = mkdtempSync(join(tmpdir(), 'admission-'))
  t.after(() => rmSync(directory, { recursive: true }))
  writeFileSync(
    join(directory, 'a.json'),
    JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AdmissionConfiguration', ...content }),
  )
  return join(directory, 'a.json')
}

const podSecurityPlugin = (more: object) => ({
  plugins: [
    {
      name: 'PodSecurity',
      configuration: { apiVersion: 'pod-security.admission.config.k8s.io/v1', kind: 'PodSecurityConfiguration', ...more },
    },
  ],
})

test('readAdmissionConfiguration takes defaults and exemptions of PodSecurity', (t) => {
  const file = written(
    t,
    podSecurityPlugin({ defaults: { enforce: 'baseline', 'warn-version': 'v1.30' }, exemptions: { namespaces: ['kube-system'] } }),
  )
  assert.deepEqual(readAdmissionConfiguration(file).podSecurity, {
    defaults: {
      enforce: { level: 'baseline', version: 'latest' },
      audit: { level: 'privileged', version: 'latest' },
      warn: { level: 'privileged', version: 'v1.30' },
    },
    exemptions: { usernames: [], runtimeClasses: [], namespaces: ['kube-system'] },
  })
})

const quotaPlugin = (more: object, kind = 'ResourceQuotaConfiguration') => ({
  plugins: [{ name: 'ResourceQuota', configuration: { apiVersion: 'apiserver.config.k8s.io/v1', kind, ...more } }],
})

test('readAdmissionConfiguration takes what ResourceQuota limits', (t) => {
  const limitedResources = [{ resource: 'pods', matchScopes: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] }]
  assert.deepEqual(readAdmissionConfiguration(written(t, quotaPlugin({ limitedResources }))).limitedResources, limitedResources)
  assert.deepEqual(readAdmissionConfiguration(written(t, { plugins: [{ name: 'ResourceQuota' }] })), {})
})

test('readAdmissionConfiguration refuses what it does not understand', (t) => {
  const wrong: [content: object, message: RegExp][] = [
    [
      podSecurityPlugin({ defaults: { enforce: 'strict' } }),
      /defaults\.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted/,
    ],
    [podSecurityPlugin({ default: {} }), /unknown field "default"/],
    [{ plugins: [{ name: 'EventRateLimit' }] }, /EventRateLimit takes no configuration here/],
    [quotaPlugin({ limitedResources: [{ apiGroup: '' }] }), /limitedResources\[0\]\.resource: Required value/],
    [quotaPlugin({ limited: [] }), /unknown field "limited"/],
    [quotaPlugin({}, 'Configuration'), /takes a ResourceQuotaConfiguration of apiserver\.config\.k8s\.io\/v1/],
    [{ plugin: [] }, /unknown field "plugin"/],
  ]
  for (const [content, message] of wrong)
    assert.throws(() => readAdmissionConfiguration(written(t, content)), { name: 'ConfigurationError', message })
})

test('NodeDeclaredFeatureValidator refuses a change that the node does not say it can make', () => {
  const reader = new MemoryReader()
  reader.put(
    Node,
    { metadata: { name: 'old' } },
    { metadata: { name: 'new' }, status: { declaredFeatures: ['InPlacePodLevelResourcesVerticalScaling'] } },
  )
  const pod = (nodeName: string, cpu: string, generation: number): Pod => ({
    metadata: { name: 'p', namespace: 'x', generation },
    spec: { nodeName, containers: [{ name: 'c' }], resources: { requests: { cpu } } },
  })
  const resize = (node: string, cpu = '2') =>
    nodeDeclaredFeatureValidator({ reader } as unknown as ServerContext).validate!({
      attributes: { group: '', resource: 'pods', subresource: 'resize', namespace: 'x', name: 'p', user: { username: 'a', groups: [] } },
      operation: 'UPDATE',
      kind: PodKind,
      object: pod(node, cpu, 2),
      oldObject: pod(node, '1', 1),
    } as unknown as AdmissionRequest)
  assert.doesNotThrow(() => resize('new'))
  assert.doesNotThrow(() => resize('old', '1'))
  assert.throws(() => resize('old'), {
    message:
      'pods "p" is forbidden: pod update requires features InPlacePodLevelResourcesVerticalScaling which are not available on node "old"',
  })
  assert.throws(() => resize('gone'), { message: 'pods "p" is forbidden: node "gone" not found' })
})
