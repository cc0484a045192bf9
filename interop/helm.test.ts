// Helm 3 and Helm 4 against simulated nodes: a chart with all that charts are made of goes through its whole life, and what cannot be is refused in
// upstream's words. Registries of charts are Helm's own matter.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fetchPinned, pinned } from './clients/pinned.ts'
import { Instance, type Output, root } from './instance.ts'

const HARBOUR = join(root, 'interop/charts/harbour')
const HOOKS = ['pre-install', 'post-install', 'pre-upgrade', 'post-upgrade', 'pre-rollback', 'post-rollback', 'pre-delete', 'post-delete']
const SECRET_BYTES = 1024 * 1024

interface Listed {
  metadata: { name: string; resourceVersion: string }
  data?: Record<string, string>
}

const skip = await fetchPinned()

describe('helm', { skip, concurrency: 2 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'sampan-helm-'))
  let cluster: Instance
  before(async () => {
    cluster = await Instance.start({ nodes: 'simulated:2', args: ['--store', 'memory'] })
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
    rmSync(home, { recursive: true, force: true })
  })

  /** A chart of one manifest. */
  const chartOf = (name: string, manifest: string): string => {
    const chart = join(home, name)
    mkdirSync(join(chart, 'templates'), { recursive: true })
    writeFileSync(join(chart, 'Chart.yaml'), `apiVersion: v2\nname: ${name}\nversion: 0.1.0\n`)
    writeFileSync(join(chart, 'templates/all.yaml'), manifest)
    return chart
  }

  for (const program of pinned('helm')) {
    const version = basename(program).replace('helm-', '')
    const four = version.startsWith('4')
    const tag = `h${version.replaceAll('.', '-')}`

    const at = (namespace: string) => {
      const helm = (words: string): Promise<Output> =>
        cluster.inside([program, `--kubeconfig=${cluster.kubeconfig}`, '-n', namespace, ...words.split(' ')], {
          env: { HELM_CACHE_HOME: join(home, 'cache'), HELM_CONFIG_HOME: join(home, 'config'), HELM_DATA_HOME: join(home, 'data') },
        })
      const ok = async (words: string) => {
        const { code, stdout, stderr } = await helm(words)
        assert.equal(code, 0, `helm ${words}: ${stdout}${stderr}`)
        return stdout
      }
      const refused = async (words: string, by: RegExp) => {
        const { code, stderr } = await helm(words)
        assert.equal(code, 1, `helm ${words} was not refused`)
        assert.match(stderr, by)
      }
      const get = async <T = Listed>(what: string) => JSON.parse(await cluster.ok(`-n ${namespace} get ${what} -o json`)) as T
      const names = async (kinds: string) => (await get<{ items: Listed[] }>(kinds)).items.map(({ metadata }) => metadata.name).toSorted()
      return { helm, ok, refused, get, names, kubectl: (words: string) => cluster.ok(`-n ${namespace} ${words}`) }
    }

    test(`helm ${version} takes a chart through its life`, async () => {
      const { ok, refused, get, names, kubectl } = at(tag)
      const wait = '--wait --wait-for-jobs --timeout 300s'
      const statuses = async () => {
        const history = JSON.parse(await ok('history dock -o json')) as { status: string; description: string }[]
        return history.map(({ status }) => status)
      }
      const version1 = Number((await get('namespace default')).metadata.resourceVersion)
      const installed = await ok(`install dock ${HARBOUR} --create-namespace ${wait}`)
      assert.match(installed, /STATUS: deployed/)
      assert.ok(installed.includes(`dock is open in ${tag}, revision 1.`), installed)

      assert.deepEqual((await get('configmap dock')).data, {
        kubernetes: '1.36',
        boats: 'true',
        deployments: 'true',
        oldJobs: 'false',
        seen: 'Active',
        unseen: '{}',
      })
      const order = ['dock-pre-install', 'dock', 'dock-post-install']
      const found = await Promise.all(order.map(async (name) => Number((await get(`configmap ${name}`)).metadata.resourceVersion)))
      assert.deepEqual(
        found,
        found.toSorted((a, b) => a - b),
      )
      assert.ok(found[0]! > version1)
      assert.deepEqual(await names('jobs'), ['dock-1'])
      assert.deepEqual(await names('boats'), ['dock'])
      const { status } = await get<{ status: { readyReplicas: number } }>('statefulset dock-buoy')
      assert.equal(status.readyReplicas, 1)

      assert.match(await ok('test dock'), /dock-connection[\s\S]*Phase: +Succeeded/)
      assert.match(await ok('list -A'), new RegExp(`^dock *\t${tag} *\t1 .*deployed`, 'm'))
      assert.match(await ok('status dock --output json'), /"name":"dock"/)
      const rendered = await ok(`upgrade dock ${HARBOUR} --dry-run=server --set replicas=4`)
      assert.match(rendered, /replicas: 4/)

      // By hand: what the chart says nothing of stays, of what it says the chart is right.
      await kubectl('set env deployment/dock BY_HAND=1')
      if (!four) await kubectl('scale deployment/dock --replicas=1')
      await ok(`upgrade --install dock ${HARBOUR} --set replicas=3,settings.light=green ${wait}`)
      const { spec } = await get<{ spec: { replicas: number; template: { spec: { containers: { env: { name: string }[] }[] } } } }>(
        'deployment dock',
      )
      assert.equal(spec.replicas, 3)
      assert.deepEqual(
        spec.template.spec.containers[0]!.env.map(({ name }) => name),
        ['QUAY', 'BY_HAND'],
      )
      assert.equal((await get('configmap dock')).data!.light, 'green')
      assert.equal((await get('configmap dock-post-upgrade')).data!.revision, '2')

      if (four) {
        await kubectl('scale deployment/dock --replicas=1 --current-replicas=3')
        const conflict =
          /Apply failed with 1 conflict: conflict with "kubectl\S*" with subresource "scale" using apps\/v1: \.spec\.replicas/
        await refused(`upgrade dock ${HARBOUR} --set replicas=4 --timeout 30s`, conflict)
        await ok(`upgrade dock ${HARBOUR} --set replicas=4 --force-conflicts ${wait}`)
      }
      const undo = four ? '--rollback-on-failure' : '--atomic'
      await refused(
        `upgrade dock ${HARBOUR} --set hookExit=3,settings.light=red ${undo} --timeout 300s`,
        /has been rolled back due to [\w-]+ being set: post-upgrade hooks failed: [\s\S]*dock-post-upgrade/,
      )
      const before = four ? ['superseded', 'superseded', 'failed', 'superseded'] : ['superseded', 'superseded']
      assert.deepEqual(await statuses(), [...before, 'failed', 'deployed'])
      assert.equal((await get('configmap dock')).data!.light, four ? undefined : 'green')

      await ok('rollback dock 1 --wait --timeout 300s')
      assert.deepEqual((await statuses()).slice(-2), ['superseded', 'deployed'])
      assert.equal((await get<{ spec: { replicas: number } }>('deployment dock')).spec.replicas, 2)
      assert.match(await ok('get all dock'), /^REVISION: \d$[\s\S]*^kind: Boat$/m)

      await ok('uninstall dock --wait --cascade foreground --keep-history --timeout 300s')
      assert.equal((await statuses()).at(-1), 'uninstalled')
      const left = await names('deployments,statefulsets,services,serviceaccounts,boats')
      assert.deepEqual(left, ['default'])
      assert.deepEqual(
        (await names('configmaps')).filter((name) => name !== 'kube-root-ca.crt'),
        ['kept', ...HOOKS].map((name) => `dock-${name}`).toSorted(),
      )
    })

    test(`helm ${version} hears what upstream says of what cannot be`, async () => {
      const { ok, refused, names, kubectl } = at(`${tag}-no`)
      await cluster.ok(`create namespace ${tag}-no`)
      const map = (name: string, more = '') => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\n${more}`
      const plain = chartOf(`plain-${tag}`, map('plain', 'data: { a: "1" }\n'))
      await ok(`install one ${plain}`)
      await refused(`install two ${plain}`, /ConfigMap "plain" in namespace "\S+" exists and cannot be imported into the current release/)
      await ok(`install two ${plain} --take-ownership`)
      await refused(`install one ${plain}`, /cannot re-?use a name that is still in use/)

      const strange = chartOf(`strange-${tag}`, 'apiVersion: strange.example.com/v1\nkind: Thing\nmetadata: { name: x }\n')
      await refused(
        `install x ${strange}`,
        /no matches for kind "Thing" in version "strange.example.com\/v1"\nensure CRDs are installed first/,
      )
      const service = (spec: string) => `apiVersion: v1\nkind: Service\nmetadata: { name: x }\nspec: { ${spec} }\n`
      const wrong = chartOf(`wrong-${tag}`, service('ports: [{ port: 70000 }]'))
      await refused(
        `install wrong ${wrong}`,
        /Service "x" is invalid: \[?spec.ports\[0\].port: Invalid value: 70000: must be between 1 and 65535/,
      )
      const unknown = chartOf(`unknown-${tag}`, service('prots: [], ports: [{ port: 80 }]'))
      if (four) await refused(`install unknown ${unknown}`, /\.spec\.prots: field not declared in schema/)
      else assert.match((await at(`${tag}-no`).helm(`install unknown ${unknown}`)).stderr, /unknown field "spec.prots"/)
      const stuck = chartOf(
        `stuck-${tag}`,
        'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: stuck }\nspec:\n  selector: { matchLabels: { a: b } }\n' +
          '  template: { metadata: { labels: { a: b } }, spec: { containers: [{ name: m, image: r.invalid/x }] } }\n',
      )
      await refused(`install stuck ${stuck} --wait --timeout 2s`, /context deadline exceeded/)
      await refused(
        `--kube-as-user nobody list`,
        /secrets is forbidden: User "nobody" cannot list resource "secrets" in API group "" in the/,
      )

      // What is random does not shrink: with its manifest and its encoding the release is larger than a Secret may be.
      const large = chartOf(`large-${tag}`, map('large'))
      writeFileSync(join(large, 'cargo.bin'), randomBytes(SECRET_BYTES))
      await refused(
        `install large ${large}`,
        /Secret "sh.helm.release.v1.large.v1" is invalid: data: Too long: may not be more than 1048576 bytes/,
      )

      const race = chartOf(`race-${tag}`, map('race'))
      const races = await Promise.all([1, 2, 3].map(() => at(`${tag}-no`).helm(`upgrade --install race ${race}`)))
      assert.ok(races.some(({ code }) => code === 0))
      for (const { code, stderr } of races)
        if (code !== 0)
          assert.match(
            stderr,
            /already exists|another operation .* is in progress|cannot re-?use a name|not found|has no deployed releases/,
          )
      assert.match(await kubectl('get secrets -l owner=helm,name=race,status=deployed -o name'), /^secret\/sh.helm.release.v1.race.v\d\n$/)
      assert.ok((await names('configmaps')).includes('race'))
    })

    test(`helm ${version} brings up what "helm create" makes`, async () => {
      const { ok } = at(`${tag}-new`)
      const own = join(home, tag)
      mkdirSync(own)
      await ok(`create ${join(own, 'fresh')}`)
      const words = '--create-namespace --set autoscaling.enabled=true,ingress.enabled=true --wait --timeout 300s'
      assert.match(await ok(`install fresh ${join(own, 'fresh')} ${words}`), /STATUS: deployed/)
      await ok('uninstall fresh --wait --timeout 300s')
    })
  }
})
