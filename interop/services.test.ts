// Services and names as pods and the host meet them: every kind of address, affinity, headless names, refusals.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { loadTestImages } from './images/load.ts'
import { eventually, Instance, noKubectl, noRealNode } from './instance.ts'

const skip = noRealNode || noKubectl

const WORLD = `
apiVersion: v1
kind: Namespace
metadata: {name: net}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: net}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: web, image: 'web:v1', ports: [{name: http, containerPort: 8080}], readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: net}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: sticky, namespace: net}
spec: {selector: {app: web}, sessionAffinity: ClientIP, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: net}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: net}
spec: {type: NodePort, selector: {app: nothing}, ports: [{port: 80, nodePort: 30099}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: net}
spec: {type: ExternalName, externalName: web.net.svc.cluster.local}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: net}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: box, image: 'busybox:1.35', command: [sleep, '3600']}]
---
apiVersion: v1
kind: Pod
metadata: {name: exposed, namespace: net}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: web, image: 'web:v1', ports: [{containerPort: 8080, hostPort: 18080}]}]
`

describe('services', { skip }, () => {
  let cluster: Instance
  before(async () => {
    cluster = await Instance.start({ nodes: 'real' })
    await loadTestImages(cluster)
    await cluster.ok('apply -f -', { input: WORLD })
    await cluster.ok('-n net rollout status deployment/web --timeout=300s')
    await cluster.ok('-n net wait --for=condition=Ready pod/client pod/exposed --timeout=300s')
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
  })
  const inPod = async (script: string) => (await cluster.kubectl(['-n', 'net', 'exec', 'client', '--', 'sh', '-c', script])).stdout
  const address = async (service: string) => cluster.ok(['-n', 'net', 'get', 'service', service, '-o', 'jsonpath={.spec.clusterIP}'])
  const fromHost = (url: string) => cluster.inside(['curl', '-sS', '--max-time', '60', url])

  test('a ClusterIP spreads over its pods, from pods by name and from the host by address', async () => {
    const ip = await address('web')
    const names = new Set<string>()
    await eventually(async () => names.add((await inPod('wget -q -O- http://web/')).split('\n')[0]!) && names.size > 1, {
      what: 'answers of both pods, to a pod',
    })
    const seen = new Set<string>()
    await eventually(async () => seen.add((await fromHost(`http://${ip}/`)).stdout.split('\n')[0]!) && seen.size > 1, {
      what: 'answers of both pods, to the host',
    })
  })

  test('a pod reaches itself through its own service', async () => {
    const pods = JSON.parse(await cluster.ok('-n net get pods -l app=web -o json')).items
    for (const { metadata } of pods) {
      const { stdout } = await cluster.kubectl([
        '-n',
        'net',
        'exec',
        metadata.name,
        '--',
        'sh',
        '-c',
        'for i in 1 2 3 4 5 6 7 8; do wget -q -O- http://web/ | head -n 1; done',
      ])
      assert.equal(stdout.trim().split('\n').length, 8)
    }
  })

  test('session affinity keeps a client on one pod', async () => {
    await eventually(async () => /web-/.test(await inPod('wget -q -O- http://sticky/')), { what: 'an answer' })
    const answers = (await inPod('for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do wget -q -O- http://sticky/ | head -n 1; done'))
      .trim()
      .split('\n')
    assert.equal(answers.length, 15)
    assert.equal(new Set(answers).size, 1)
  })

  test('names resolve in every documented form', async () => {
    const ip = await address('web')
    // busybox's nslookup knows no search path; its ping does.
    for (const name of ['web', 'web.net', 'web.net.svc', 'web.net.svc.cluster.local']) {
      assert.match(
        await inPod(`ping -c 1 -W 1 ${name} 2>&1`),
        new RegExp(`PING ${name.replaceAll('.', '\\.')} \\(${ip.replaceAll('.', '\\.')}\\)`),
        name,
      )
    }
    const pods = JSON.parse(await cluster.ok('-n net get pods -l app=web -o json')).items
    await eventually(
      async () => {
        const headless = await inPod('nslookup headless.net.svc.cluster.local')
        return pods.every(({ status }: { status: { podIP: string } }) => headless.includes(status.podIP))
      },
      { what: 'the address of each pod' },
    )
    assert.match(await inPod(`nslookup ${ip}`), /web\.net\.svc\.cluster\.local/)
    assert.match(await inPod('nslookup alias.net.svc.cluster.local'), /web\.net\.svc\.cluster\.local/)
    assert.match(
      await inPod('cat /etc/resolv.conf'),
      /search net\.svc\.cluster\.local svc\.cluster\.local cluster\.local[\s\S]*nameserver 10\.96\.0\.10|nameserver 10\.96\.0\.10[\s\S]*search net\.svc\.cluster\.local/,
    )
  })

  test('what no pod serves is refused at once', async () => {
    const ip = await address('empty')
    for (const url of [`http://${ip}/`, 'http://127.0.0.1:30099/']) {
      const { code, stderr } = await fromHost(url)
      assert.equal(code, 7, stderr)
    }
    const { stderr } = await cluster.kubectl(['-n', 'net', 'exec', 'client', '--', 'wget', '-q', '-O-', `http://${ip}/`])
    assert.match(stderr, /refused/)
  })

  test('a host port answers on the host', async () => {
    await eventually(async () => /exposed/.test((await fromHost('http://127.0.0.1:18080/')).stdout), { what: 'the host port' })
  })

  test('traffic follows pods that come and go', async () => {
    const ip = await address('web')
    await cluster.ok('-n net scale deployment web --replicas=1')
    const [left] = await eventually(
      async () => {
        const { items } = JSON.parse(await cluster.ok('-n net get pods -l app=web -o json'))
        return items.length === 1 ? items : undefined
      },
      { what: 'one pod left' },
    )
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => fromHost(`http://${ip}/`)))
      return answers.every(({ stdout }) => stdout.includes(left.metadata.name))
    })
  })

  test('services/proxy and pods/proxy pass requests on', async () => {
    assert.match(await cluster.ok(['get', '--raw', '/api/v1/namespaces/net/services/web:http/proxy/']), /web-/)
    assert.match(await cluster.ok(['get', '--raw', '/api/v1/namespaces/net/pods/exposed:8080/proxy/']), /exposed/)
    const { stderr } = await cluster.kubectl(['get', '--raw', '/api/v1/namespaces/net/services/empty/proxy/'])
    assert.match(stderr, /no endpoints available for service/)
  })
})
