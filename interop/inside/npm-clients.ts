// What users of other libraries than the official client of today do: kubernetes-client, which makes its methods of the OpenAPI document; operators on
// @dot-i/k8s-operator, with the official client as it was before it used fetch; leader election.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../instance.ts'

const { SAMPAN_NPM_CLIENTS: folder = '', SAMPAN_SCRATCH: scratch = '' } = process.env
const load: (name: string) => any = createRequire(join(folder, 'from.js'))
/** The official client forgets extensions that it does not know by their names in JSON. */
const FREE = { type: 'object', additionalProperties: { type: 'integer' } }
const definition = (kind: string) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${kind.toLowerCase()}s.example.com` },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: `${kind.toLowerCase()}s`, kind },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: FREE, status: FREE } } },
      },
    ],
  },
})

test('kubernetes-client reads the document and calls what it finds there', async () => {
  const { Client, KubeConfig } = load('kubernetes-client')
  const Request = load('kubernetes-client/backends/request')
  const kubeconfig = new KubeConfig()
  kubeconfig.loadFromDefault()
  const client = new Client({ backend: new Request({ kubeconfig }) })
  await client.loadSpec()
  const core = client.api.v1
  const { body } = await core.namespaces.get()
  assert.ok(body.items.some(({ metadata }: any) => metadata.name === 'default'))
  const maps = core.namespaces('default').configmaps
  assert.equal((await maps.post({ body: { metadata: { name: 'spoken' }, data: { a: '1' } } })).statusCode, 201)
  const patched = await maps('spoken').patch({ body: { data: { b: '2' } } })
  assert.deepEqual(patched.body.data, { a: '1', b: '2' })
  // Paths of old, in the document as in upstream's.
  const events: string[] = []
  const stream = await core.watch.namespaces('default').configmaps.getObjectStream({ qs: { fieldSelector: 'metadata.name=spoken' } })
  stream.on('data', ({ type }: any) => void events.push(type))
  await eventually(async () => events.includes('ADDED'))
  assert.equal((await maps('spoken').delete()).body.status, 'Success')
  await eventually(async () => events.includes('DELETED'))
  stream.destroy()
  await assert.rejects(client.apis.apps.v1.namespaces('default').deployments('none').get(), {
    message: 'deployments.apps "none" not found',
    statusCode: 404,
  })
  // A definition's paths are in the document soon after.
  await client.apis['apiextensions.k8s.io'].v1.customresourcedefinitions.post({ body: definition('Boat') })
  await eventually(async () => {
    await client.loadSpec()
    return client.apis['example.com']?.v1.namespaces('default').boats !== undefined
  })
  const boat = { apiVersion: 'example.com/v1', kind: 'Boat', metadata: { name: 'junk' }, spec: { sails: 3 } }
  const { body: made } = await client.apis['example.com'].v1.namespaces('default').boats.post({ body: boat })
  assert.equal(made.spec.sails, 3)
})

test('@dot-i/k8s-operator registers its definition, reconciles, writes status and finalizes', async () => {
  const { default: Operator } = load('@dot-i/k8s-operator')
  const k8s = load('@kubernetes/client-node')
  const file = join(scratch, 'harbour.json')
  writeFileSync(file, JSON.stringify(definition('Harbour')))
  const told: string[] = []
  class HarbourOperator extends Operator {
    async init(): Promise<void> {
      const { group, versions, plural } = await this.registerCustomResourceDefinition(file)
      await this.watchResource(group, versions[0].name, plural, async (event: any) => {
        told.push(event.type)
        if (event.type === 'DELETED') return
        if (await this.handleResourceFinalizer(event, 'example.com/kept', async () => void told.push('finalized'))) return
        const { generation } = event.object.metadata
        if (event.object.status?.observedGeneration !== generation)
          await this.patchResourceStatus(event.meta, { observedGeneration: generation })
      })
    }
  }
  const silent = { info() {}, debug() {}, warn() {}, error: (text: string) => void told.push(`error ${text}`) }
  const operator: any = new (HarbourOperator as any)(silent)
  await operator.start()
  const config = new k8s.KubeConfig()
  config.loadFromDefault()
  const harbours = config.makeApiClient(k8s.CustomObjectsApi)
  const at = { group: 'example.com', version: 'v1', namespace: 'default', plural: 'harbours' }
  const body = { apiVersion: 'example.com/v1', kind: 'Harbour', metadata: { name: 'aberdeen' }, spec: { berths: 2 } }
  await harbours.createNamespacedCustomObject({ ...at, body })
  const settled = await eventually(async () => {
    const found = await harbours.getNamespacedCustomObject({ ...at, name: 'aberdeen' })
    return found.status?.observedGeneration === found.metadata.generation && found
  })
  assert.deepEqual(settled.metadata.finalizers, ['example.com/kept'])
  await harbours.deleteNamespacedCustomObject({ ...at, name: 'aberdeen' })
  await eventually(async () => told.includes('DELETED'))
  assert.ok(told.includes('finalized'))
  assert.deepEqual(
    told.filter((one) => one.startsWith('error')),
    [],
  )
  // Not stopped: the library takes the end of its watch for a failure, and ends the process.
})

test('of two electors one leads, and the other after it', async () => {
  process.env.KUBERNETES_SERVICE_HOST ??= '127.0.0.1'
  const { Elector } = load('@codedependant/kubernetes-leader-election')
  const electors = ['first', 'second'].map(
    (identity) => new Elector({ identity, lease_name: 'captain', lease_duration_sec: 10, renew_interval_ms: 300, auto_close: false }),
  )
  await electors[0].start()
  await eventually(async () => electors[0].current_leader)
  await electors[1].start()
  assert.equal(electors[1].current_leader, false)
  await electors[0].stop()
  await eventually(async () => electors[1].current_leader)
  await electors[1].stop()
})
