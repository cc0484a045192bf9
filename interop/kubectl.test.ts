// Every kubectl on this machine, the newest there is, and Helm against a real node: the commands people type, in a namespace per version.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fetchPinned, pinned } from './clients/pinned.ts'
import { loadTestImages } from './images/load.ts'
import { eventually, Instance, kubectls, noKubectl, noRealNode, root } from './instance.ts'

const skip = noRealNode || noKubectl
const files = mkdtempSync(join(tmpdir(), 'sampan-kubectl-'))
after(() => rmSync(files, { recursive: true, force: true }))

await fetchPinned()

describe('kubectl', { skip, concurrency: 2 }, () => {
  let cluster: Instance
  before(async () => {
    cluster = await Instance.start({ nodes: 'real' })
    await loadTestImages(cluster)
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
  })

  const onPath = kubectls({ fetched: false })
  for (const program of new Set([...onPath, ...kubectls().slice(-1)])) {
    const version = basename(program).replace('kubectl.', '')
    const ns = `k-${version.replaceAll('.', '-')}`
    const k = (words: string, input?: string) =>
      cluster.ok(['-n', ns, ...words.split(' ')], { program, ...(input === undefined ? {} : { input }) })
    const words = (list: string[], input?: string) =>
      cluster.ok(['-n', ns, ...list], { program, ...(input === undefined ? {} : { input }) })
    const fails = (line: string, input?: string) =>
      cluster.kubectl(['-n', ns, ...line.split(' ')], { program, ...(input === undefined ? {} : { input }) })

    test(`kubectl ${version} does what people type`, async (t) => {
      await cluster.ok(`create namespace ${ns}`, { program })

      await t.test('run, wait, logs, exec, describe, events', async () => {
        assert.match(
          await words(['run', 'box', '--image=busybox:1.35', '--restart=Never', '--', 'sh', '-c', 'echo hello; echo oops >&2; sleep 3600']),
          /pod\/box created/,
        )
        assert.match(await k('wait --for=condition=Ready pod/box --timeout=300s'), /pod\/box condition met/)
        // It runs before it has said anything.
        await eventually(async () => /hello\noops\n|oops\nhello\n/.test(await k('logs box')), { what: 'both lines of its log' })
        assert.equal(await k('logs box --tail=1 --timestamps=false').then((text) => text.trim().split('\n').length), 1)
        assert.equal(await words(['exec', 'box', '--', 'sh', '-c', 'echo $((6*7))']), '42\n')
        const failed = await cluster.kubectl(['-n', ns, 'exec', 'box', '--', 'sh', '-c', 'exit 3'], { program })
        assert.equal(failed.code, 3)
        assert.equal(await words(['exec', '-i', 'box', '--', 'cat'], 'through and back\n'), 'through and back\n')
        // A terminal of its own size, as a person at a keyboard has.
        const terminal = await cluster.inside([
          'script',
          '-qefc',
          `stty rows 33 cols 99; ${program} --kubeconfig=${cluster.kubeconfig} -n ${ns} exec -it box -- sh -c 'until stty size | grep 33; do sleep 0.1; done; tty'`,
          '/dev/null',
        ])
        assert.match(terminal.stdout, /33 99\r?\n\/dev\/pts\/\d/)
        const described = await k('describe pod box')
        assert.match(described, /^Status: +Running$/m)
        assert.match(described, /Normal +Started .* kubelet/)
        assert.match(await k('events --for pod/box'), /Scheduled/)
      })

      await t.test('create deployment, expose, scale, rollout, set image', async () => {
        assert.match(
          await words(['create', 'deployment', 'web', '--image=web:v1', '--replicas=2', '--port=8080']),
          /deployment.apps\/web created/,
        )
        assert.match(await k('rollout status deployment/web --timeout=300s'), /successfully rolled out/)
        assert.match(await k('expose deployment web --port=80 --target-port=8080'), /service\/web exposed/)
        assert.match(await k('scale deployment web --replicas=3'), /deployment.apps\/web scaled/)
        assert.match(await k('rollout status deployment/web --timeout=300s'), /successfully rolled out/)
        assert.match(await k('set image deployment/web web=web:v2'), /image updated/)
        assert.match(await k('rollout status deployment/web --timeout=300s'), /successfully rolled out/)
        assert.match(await k('rollout history deployment/web'), /REVISION +CHANGE-CAUSE\n1 .*\n2 /)
        assert.match(await k('rollout undo deployment/web'), /rolled back/)
        assert.match(await k('rollout status deployment/web --timeout=300s'), /successfully rolled out/)
        assert.equal(await words(['get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}']), 'web:v1')
        assert.match(await k('rollout restart deployment/web'), /restarted/)
        assert.match(await k('rollout status deployment/web --timeout=300s'), /successfully rolled out/)
      })

      await t.test('get in every form', async () => {
        assert.match(await k('get pods'), /^NAME +READY +STATUS +RESTARTS +AGE\n/)
        assert.match(await k('get pods -o wide'), /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\n/)
        assert.match(
          await k('get deployment web -o wide'),
          /NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\nweb +3\/3 +3 +3/,
        )
        assert.match(await k('get deployment web -o yaml'), /^apiVersion: apps\/v1\nkind: Deployment\n/)
        assert.equal(JSON.parse(await k('get service web -o json')).spec.ports[0].targetPort, 8080)
        assert.match(await words(['get', 'pods', '-o', 'custom-columns=NAME:.metadata.name,NODE:.spec.nodeName']), /^NAME +NODE\nbox /)
        assert.match(await k('get pods -l app=web -o name'), /^(pod\/web-[a-z0-9]+-[a-z0-9]{5}\n){3,}$/)
        assert.match(await k('get pods --field-selector status.phase=Running --no-headers'), /^box /)
        assert.match(await k('get all'), /service\/web[\s\S]+deployment.apps\/web[\s\S]+replicaset.apps\/web-/)
        const watching = cluster.spawnInside([
          program,
          `--kubeconfig=${cluster.kubeconfig}`,
          '-n',
          ns,
          'get',
          'configmaps',
          '-w',
          '--request-timeout=300s',
        ])
        let seen = ''
        watching.stdout!.setEncoding('utf8').on('data', (text) => (seen += text))
        await eventually(async () => seen.includes('kube-root-ca.crt'), { what: 'the first rows of get -w' })
        await words(['create', 'configmap', 'seen-live', '--from-literal=a=b'])
        await eventually(async () => /seen-live +1 /.test(seen), { what: 'the new row of get -w' })
        watching.kill()
        const missing = await fails('get pod nothing')
        assert.equal(missing.code, 1)
        assert.equal(missing.stderr, 'Error from server (NotFound): pods "nothing" not found\n')
      })

      await t.test('label, annotate, patch, edit, apply, diff', async () => {
        assert.match(await k('label deployment web tier=front'), /labeled/)
        assert.match(await k('annotate deployment web note=here'), /annotated?/)
        assert.match(
          await words(['patch', 'deployment', 'web', '-p', '{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":1}}}}']),
          /patched/,
        )
        assert.match(
          await words(['patch', 'deployment', 'web', '--type=json', '-p', '[{"op":"add","path":"/metadata/labels/json","value":"yes"}]']),
          /patched/,
        )
        assert.match(await words(['patch', 'deployment', 'web', '--type=merge', '-p', '{"metadata":{"labels":{"json":null}}}']), /patched/)
        const edited = await cluster.kubectl(['-n', ns, 'edit', 'deployment', 'web'], {
          program,
          env: { KUBE_EDITOR: 'sed -i s/note:.here/note:\\ there/' },
        })
        assert.match(edited.stdout, /deployment.apps\/web edited/, edited.stderr)
        assert.equal(await words(['get', 'deployment', 'web', '-o', 'jsonpath={.metadata.annotations.note}']), 'there')

        const file = join(files, `${ns}.yaml`)
        const manifest = (data: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: applied\n  namespace: ${ns}\ndata:\n${data}`
        writeFileSync(file, manifest('  a: "1"\n  b: "2"\n'))
        assert.match(await k(`apply -f ${file}`), /configmap\/applied created/)
        assert.match(await k(`apply -f ${file}`), /configmap\/applied unchanged/)
        writeFileSync(file, manifest('  a: "3"\n'))
        const differing = await fails(`diff -f ${file}`)
        assert.equal(differing.code, 1, differing.stderr)
        assert.match(differing.stdout, /^- {2}a: "1"$/m)
        assert.match(differing.stdout, /^\+ {2}a: "3"$/m)
        assert.match(await k(`apply -f ${file}`), /configmap\/applied configured/)
        assert.equal(await words(['get', 'configmap', 'applied', '-o', 'jsonpath={.data}']), '{"a":"3"}')
        assert.match(await k(`apply --server-side -f ${file}`), /configmap\/applied serverside-applied/)
        const conflict = await fails(`apply --server-side --field-manager=other -f -`, readFileSync(file, 'utf8').replace('"3"', '"4"'))
        assert.equal(conflict.code, 1)
        assert.match(conflict.stderr, /Apply failed with 1 conflict: conflict with "kubectl": \.data\.a/)
        assert.match(
          await k(`apply --server-side --field-manager=other --force-conflicts -f -`, readFileSync(file, 'utf8').replace('"3"', '"4"')),
          /serverside-applied/,
        )
        assert.match(await k(`delete -f ${file}`), /configmap "applied" deleted/)
      })

      await t.test('explain, api-resources, auth can-i, cluster-info, config, top', async () => {
        assert.match(await k('explain deployment.spec.strategy.rollingUpdate'), /maxUnavailable/)
        assert.match(await k('explain pods --recursive'), /terminationGracePeriodSeconds/)
        const resources = await k('api-resources')
        assert.match(resources, /^deployments +deploy +apps\/v1 +true +Deployment$/m)
        assert.match(resources, /^nodes +no +v1 +false +Node$/m)
        assert.equal(await k('auth can-i create pods'), 'yes\n')
        const refused = await cluster.kubectl(['-n', ns, 'auth', 'can-i', 'create', 'pods', `--as=system:serviceaccount:${ns}:default`], {
          program,
        })
        assert.equal(refused.stdout, 'no\n')
        assert.equal(refused.code, 1)
        assert.match(await k('cluster-info'), /is running at/)
        assert.equal(await k('config current-context'), 'sampan\n')
        const top = await fails('top nodes')
        assert.ok(top.code === 0 || /Metrics API not available/.test(top.stderr), top.stderr)
        assert.match(await k('version'), /Server Version: .*v1\.36\./)
      })

      await t.test('cp, port-forward, attach, logs -f', async () => {
        const source = join(files, `${ns}-up.txt`)
        const back = join(files, `${ns}-down.txt`)
        writeFileSync(source, `copied by ${version}\n`)
        await k(`cp ${source} box:/tmp/up.txt`)
        assert.equal(await words(['exec', 'box', '--', 'cat', '/tmp/up.txt']), `copied by ${version}\n`)
        await k(`cp box:/tmp/up.txt ${back}`)
        assert.equal(readFileSync(back, 'utf8'), `copied by ${version}\n`)

        // Of a pod that is about to go there is nothing to forward.
        assert.match(await k('rollout status deployment/web --timeout=300s'), /successfully rolled out/)
        await eventually(async () => (await k('get pods -l app=web -o name')).trim().split('\n').length === 3, { what: 'old pods gone' })
        const forward = cluster.spawnInside([program, `--kubeconfig=${cluster.kubeconfig}`, '-n', ns, 'port-forward', 'service/web', ':80'])
        let heard = ''
        forward.stdout!.setEncoding('utf8').on('data', (text) => (heard += text))
        forward.stderr!.setEncoding('utf8').on('data', (text) => (heard += text))
        const port = await eventually(async () => /127\.0\.0\.1:(\d+) ->/.exec(heard)?.[1], { what: 'port-forward' })
        for (let i = 0; i < 3; i++) {
          const { stdout } = await cluster.inside(['curl', '-sS', '--max-time', '60', `http://127.0.0.1:${port}/`])
          assert.match(stdout, /web-/, heard)
        }
        forward.kill()

        await words([
          'run',
          'talker',
          '--image=busybox:1.35',
          '--restart=Never',
          '--',
          'sh',
          '-c',
          'for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done',
        ])
        await eventually(async () => (await k('get pod talker --no-headers')).match(/Running|Completed/), { what: 'talker' })
        assert.equal((await k('logs -f talker')).trim().split('\n').length, 6)
      })

      await t.test('cordon, drain, delete', async () => {
        const pods = JSON.parse(await k('get pods -o json')).items
        assert.ok(pods.length >= 4)
        assert.match(await k('delete pod box talker --grace-period=1'), /pod "box" deleted/)
        assert.equal((await fails('get pod box')).code, 1)
        assert.match(await k('delete deployment,service web'), /deployment.apps "web" deleted/)
        await eventually(async () => (await k('get pods --no-headers --ignore-not-found')) === '', { what: 'all pods gone' })
        assert.match(await cluster.ok(`delete namespace ${ns} --timeout=300s`, { program }), /namespace ".*" deleted/)
      })
    })
  }

  for (const program of pinned('helm').slice(-1)) {
    const version = basename(program).replace('helm-', '')
    const ns = `h-${version.replaceAll('.', '-')}`
    test(`helm ${version} waits for containers, and shows what the tests of a chart said`, async () => {
      const ran = (words: string) =>
        cluster.inside([program, `--kubeconfig=${cluster.kubeconfig}`, '-n', ns, ...words.split(' ')], {
          env: { HELM_CACHE_HOME: join(files, 'cache'), HELM_CONFIG_HOME: join(files, 'config'), HELM_DATA_HOME: join(files, 'data') },
        })
      const helm = async (words: string) => {
        const { code, stdout, stderr } = await ran(words)
        assert.equal(code, 0, stdout + stderr)
        return stdout
      }
      const chart = join(root, 'interop/charts/harbour')
      await helm(`install dock ${chart} --create-namespace --wait --wait-for-jobs --timeout 300s`)
      assert.match(await helm('test dock --logs --timeout 300s'), /Phase: +Succeeded[\s\S]*POD LOGS: dock-connection\ndock-\w+-\w+\nv1\n/)
      const failed = await ran(`upgrade dock ${chart} --set image=web:v2,hookExit=3 --wait --timeout 300s`)
      assert.match(failed.stderr, /UPGRADE FAILED: post-upgrade hooks failed/)
      assert.match(await helm('test dock --logs --timeout 300s'), /POD LOGS: dock-connection\ndock-\w+-\w+\nv2\n/)
      await helm('uninstall dock --wait --timeout 300s')
      assert.match(await cluster.ok(`delete namespace ${ns} --timeout=300s`), /deleted/)
    })
  }

  test('kubectl run -i --rm shows what a program said that ended at once', async () => {
    for (let i = 0; i < 6; i++) {
      const words = [
        'run',
        `brief-${i}`,
        '-i',
        '--rm',
        '--pod-running-timeout=5m',
        '--restart=Never',
        '--image=busybox:1.35',
        '--',
        'sh',
        '-c',
        'echo said; exit 3',
      ]
      const { code, stdout, stderr } = await cluster.kubectl(words)
      assert.match(stdout, /^said$/m, stderr)
      assert.equal(code, 3)
    }
  })

  test('kubectl drain evicts pods and uncordon lets them back', async () => {
    const node = (await cluster.ok('get nodes -o name')).trim()
    await cluster.ok('create namespace drained')
    await cluster.ok('-n drained create deployment web --image=web:v1 --replicas=2')
    await cluster.ok([
      '-n',
      'drained',
      'patch',
      'deployment',
      'web',
      '-p',
      '{"spec":{"template":{"metadata":{"labels":{"drain-me":"yes"}},"spec":{"terminationGracePeriodSeconds":1}}}}',
    ])
    await cluster.ok('-n drained rollout status deployment/web --timeout=300s')
    // Other tests run beside this one: only this namespace's pods are evicted, and the node must not stay closed for long.
    const before = await cluster.ok('-n drained get pods -l drain-me=yes -o name')
    try {
      const drained = await cluster.ok([
        'drain',
        node.replace('node/', ''),
        '--ignore-daemonsets',
        '--delete-emptydir-data',
        '--pod-selector=app=web,drain-me=yes',
        '--timeout=300s',
      ])
      for (const pod of before.trim().split('\n'))
        assert.match(drained, new RegExp(`${pod} evicted|evicting pod drained/${pod.replace('pod/', '')}`))
      assert.match(drained, /drained$/m)
      assert.match(await cluster.ok('get nodes'), /SchedulingDisabled/)
      await eventually(async () => (await cluster.ok('-n drained get pods')).includes('Pending'), { what: 'a pod that waits for a node' })
    } finally {
      assert.match(await cluster.ok(`uncordon ${node}`), /uncordoned/)
    }
    await cluster.ok('-n drained rollout status deployment/web --timeout=300s')
    await cluster.ok('delete namespace drained --timeout=300s')
  })
})
