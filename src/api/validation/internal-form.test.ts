import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INTERNAL_SHAPES } from '#api/facts/internal-shapes.ts'
import { createdObject } from '#api/kinds/minimal-objects.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { difference, internalForm } from './internal-form.ts'

test('internalForm has every field of a structure, in order', () => {
  assert.equal(
    JSON.stringify(internalForm('VolumeMount', { name: 'v', mountPath: '/a' })),
    '{"Name":"v","ReadOnly":false,"RecursiveReadOnly":null,"MountPath":"/a","SubPath":"","MountPropagation":null,"SubPathExpr":""}',
  )
})

test('internalForm keeps what is of the host in the security context', () => {
  const { SecurityContext: context } = internalForm('PodSpec', {
    hostNetwork: true,
    hostUsers: false,
    securityContext: { runAsUser: 1 },
  }) as any
  assert.deepEqual([context.HostNetwork, context.HostPID, context.HostUsers, context.RunAsUser], [true, false, false, 1])
})

test('internalForm shows maps in the order of their keys, and metadata under its public names', () => {
  const form = internalForm('PodTemplateSpec', {
    metadata: { labels: { b: '1', a: '2' } },
    spec: { nodeSelector: { z: '1', y: '2' } },
  }) as any
  assert.equal(JSON.stringify(form.labels), '{"a":"2","b":"1"}')
  assert.equal(JSON.stringify(form.Spec.NodeSelector), '{"y":"2","z":"1"}')
})

test('INTERNAL_SHAPES name no structure that is missing', () => {
  const known = new Set([...Object.keys(INTERNAL_SHAPES), 'ObjectMeta', 'LabelSelector', '', 's', 'n', 'b', 'q'])
  const named = Object.values(INTERNAL_SHAPES).flatMap((fields) =>
    fields.split(' ').map((field) => (field.startsWith('+') ? field.slice(1) : (field.split(':')[1] ?? '').replace(/^(\[\]|\*)/, ''))),
  )
  assert.deepEqual(
    named.filter((shape) => !known.has(shape)),
    [],
  )
})

test('INTERNAL_SHAPES know every field of a pod that its public schema has', () => {
  const missing: string[] = []
  const walk = (shape: string, schema: any, path: string) => {
    const fields = INTERNAL_SHAPES[shape]?.split(' ') ?? []
    const all = fields.flatMap((field) => (field.startsWith('+') ? (INTERNAL_SHAPES[field.slice(1)]?.split(' ') ?? []) : [field]))
    const jsonOf = (field: string) => {
      const [name = '', json] = field.split(':')[0]!.split('=')
      return json ?? name[0]!.toLowerCase() + name.slice(1)
    }
    for (const [name, property] of Object.entries<any>(schema.properties ?? {})) {
      const field = all.find((one) => jsonOf(one) === name)
      if (!field) missing.push(`${path}.${name}`)
      const inner = (field?.split(':')[1] ?? '').replace(/^(\[\]|\*)/, '')
      if (INTERNAL_SHAPES[inner]) walk(inner, property.items ?? property, `${path}.${name}`)
    }
  }
  walk('PodSpec', (Pod.schema as any).properties.spec, 'spec')
  // Of the host, an old name, and what is embedded: they stand elsewhere.
  const elsewhere = [
    'spec.volumes.ephemeral.volumeClaimTemplate.metadata',
    'spec.hostIPC',
    'spec.hostNetwork',
    'spec.hostPID',
    'spec.hostUsers',
    'spec.serviceAccount',
    'spec.shareProcessNamespace',
  ]
  assert.deepEqual(
    missing.filter((path) => !elsewhere.includes(path)),
    [],
  )
})

test('difference escapes what a page would read', () => {
  const pod = createdObject(Pod).spec!
  assert.ok(difference('PodSpec', pod, { ...pod, schedulerName: '<a>' }).includes('+ "SchedulerName": "\\u003ca\\u003e",'))
})
