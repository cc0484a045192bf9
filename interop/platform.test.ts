// A real application on a real node: database and web tier, names, node ports, scaling, rollout under load, volumes, tokens, and kill -9.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadTestImages } from './images/load.ts'
import { eventually, Instance, noKubectl, noRealNode, root } from './instance.ts'

const skip = noRealNode || noKubectl

const APPLICATION = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - name: redis
        image: redis:7
        ports: [{containerPort: 6379, name: redis}]
        readinessProbe: {tcpSocket: {port: redis}, periodSeconds: 1}
        resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 64Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 6379, targetPort: redis}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: site, namespace: shop}
data:
  hits: |
    #!/bin/sh
    echo "Content-Type: text/plain"; echo
    printf 'INCR hits\\r\\nQUIT\\r\\n' | nc db 6379 | tr -d '\\r' | head -n 1
    hostname
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: counter, namespace: shop}
spec:
  selector: {matchLabels: {app: counter}}
  template:
    metadata: {labels: {app: counter}}
    spec:
      containers:
      - name: httpd
        image: busybox:1.35
        command: [sh, -c, 'mkdir -p /www/cgi-bin && cp /site/hits /www/cgi-bin/hits && chmod 755 /www/cgi-bin/hits && exec httpd -f -p 8080 -h /www']
        volumeMounts: [{name: site, mountPath: /site}]
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
      volumes: [{name: site, configMap: {name: site}}]
---
apiVersion: v1
kind: Service
metadata: {name: counter, namespace: shop}
spec: {type: NodePort, selector: {app: counter}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
`

const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 30
      containers:
      - name: web
        image: web:v1
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        # Long enough for every address to be forgotten on a busy machine too.
        lifecycle: {preStop: {sleep: {seconds: 8}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30081}]}
`

const LOGGERS = `
apiVersion: v1
kind: Pod
metadata: {name: counter-log, namespace: shop}
spec:
  containers:
  - name: count
    image: busybox:1.35
    args: [/bin/sh, -c, 'i=0; while true; do echo "$i one" >> /var/log/1.log; echo "$i two" >> /var/log/2.log; i=$((i+1)); sleep 0.2; done']
    volumeMounts: [{name: varlog, mountPath: /var/log}]
  - name: count-log-1
    image: busybox:1.35
    args: [/bin/sh, -c, 'tail -n+1 -F /var/log/1.log']
    volumeMounts: [{name: varlog, mountPath: /var/log}]
  - name: count-log-2
    image: busybox:1.35
    args: [/bin/sh, -c, 'tail -n+1 -F /var/log/2.log']
    volumeMounts: [{name: varlog, mountPath: /var/log}]
  volumes: [{name: varlog, emptyDir: {}}]
`

const READER = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules: [{apiGroups: [''], resources: [services], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: shop}]
---
apiVersion: v1
kind: Pod
metadata: {name: reader, namespace: shop}
spec:
  serviceAccountName: reader
  containers: [{name: box, image: 'busybox:1.35', command: [sleep, '3600']}]
`

/** Asks 50 times a second until told to stop, then prints how many answers were right and which were not. */
const LOAD = `
const http = require('node:http')
let right = 0, wrong = [], open = 0
const ask = () => { open++; const done = (what) => { open--; if (what) wrong.push(what); else right++ }
  const request = http.get({ host: '127.0.0.1', port: 30081, agent: false, timeout: 60000 }, (response) => { let body = ''; response.on('data', (c) => body += c).on('end', () => done(response.statusCode === 200 && /web-/.test(body) ? '' : response.statusCode + body)).on('error', (e) => done(e.message)) })
  request.on('error', (e) => done(e.code + ' ' + e.message)).on('timeout', () => request.destroy(new Error('timeout'))) }
const timer = setInterval(ask, 20)
process.stdin.on('end', () => { clearInterval(timer); const wait = setInterval(() => { if (open === 0) { clearInterval(wait); console.log(JSON.stringify({ right, wrong })) } }, 20) }).resume()`

describe('the platform', { skip }, () => {
  let cluster: Instance
  const web = async (port: number, path = '/') =>
    (await cluster.inside(['curl', '-sS', '--max-time', '60', `http://127.0.0.1:${port}${path}`])).stdout

  before(async () => {
    cluster = await Instance.start({ nodes: 'real' })
    await loadTestImages(cluster)
    await cluster.ok('create namespace shop')
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
  })

  test('images are listed, saved, removed and loaded again by the command line', async () => {
    const image = (...words: string[]) => cluster.inside([join(root, 'sampan'), 'image', ...words, '--data-dir', cluster.directory])
    const file = join(cluster.directory, 'web.tar')
    assert.match((await image('list')).stdout, /^docker\.io\/library\/web:v1 +[0-9a-f]{12} +/m)
    assert.equal((await image('save', 'web:v1', file)).code, 0)
    assert.equal((await image('rm', 'web:v1')).code, 0)
    assert.doesNotMatch((await image('list')).stdout, /library\/web:v1 /)
    assert.match((await image('load', file)).stdout, /loaded docker\.io\/library\/web:v1/)
    const refused = await image('load', join(root, 'README.md'))
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /^sampan: /)
  })

  test('a web tier finds its database by DNS name, and a node port answers from the host', async () => {
    await cluster.ok('apply -f -', { input: APPLICATION })
    await cluster.ok('-n shop rollout status deployment/db --timeout=300s')
    await cluster.ok('-n shop rollout status deployment/counter --timeout=300s')
    const first = await eventually(async () => /^:(\d+)\ncounter-/.exec(await web(30080, '/cgi-bin/hits')), { what: 'the first count' })
    const second = /^:(\d+)\n/.exec(await web(30080, '/cgi-bin/hits'))
    assert.equal(Number(second?.[1]), Number(first?.[1]) + 1)
  })

  test('all three answer after scaling to three', async () => {
    await cluster.ok('-n shop scale deployment counter --replicas=3')
    await cluster.ok('-n shop rollout status deployment/counter --timeout=300s')
    const names = new Set<string>()
    await eventually(
      async () => {
        const [, name] = (await web(30080, '/cgi-bin/hits')).split('\n')
        if (name) names.add(name)
        return names.size >= 3
      },
      { what: 'three different answers' },
    )
    assert.equal(names.size, 3)
  })

  test('a rollout and its undo lose no request of a running load', async () => {
    await cluster.ok('apply -f -', { input: WEB })
    await cluster.ok('-n shop rollout status deployment/web --timeout=300s')
    await eventually(async () => /v1/.test(await web(30081)), { what: 'version 1' })
    const load = cluster.spawnInside([process.execPath, '-e', LOAD])
    let result = ''
    load.stdout!.setEncoding('utf8').on('data', (text) => (result += text))
    await cluster.ok('-n shop set image deployment/web web=web:v2')
    await cluster.ok('-n shop rollout status deployment/web --timeout=300s')
    await eventually(async () => /v2/.test(await web(30081)), { what: 'version 2' })
    await cluster.ok('-n shop rollout undo deployment/web')
    await cluster.ok('-n shop rollout status deployment/web --timeout=300s')
    await eventually(async () => /v1/.test(await web(30081)), { what: 'version 1 again' })
    await cluster.ok('-n shop rollout restart deployment/web')
    await cluster.ok('-n shop rollout status deployment/web --timeout=300s')
    // The last old pods have yet to end.
    await eventually(async () => !(await cluster.ok('-n shop get pods -l app=web')).includes('Terminating'), { what: 'old pods gone' })
    load.stdin!.end()
    await once(load, 'close')
    const { right, wrong } = JSON.parse(result) as { right: number; wrong: string[] }
    assert.deepEqual(wrong, [])
    assert.ok(right > 100, `only ${right} requests were made`)
  })

  test('two sidecars tail files of a shared emptyDir', async () => {
    await cluster.ok('apply -f -', { input: LOGGERS })
    await cluster.ok('-n shop wait --for=condition=Ready pod/counter-log --timeout=300s')
    for (const [name, word] of [
      ['count-log-1', 'one'],
      ['count-log-2', 'two'],
    ] as const) {
      await eventually(async () => (await cluster.ok(`-n shop logs counter-log -c ${name}`)).includes(`1 ${word}\n`), {
        what: `the log of ${name}`,
      })
    }
    const unnamed = await cluster.kubectl('-n shop logs counter-log -c nothing')
    assert.match(unnamed.stderr, /container nothing is not valid for pod counter-log/)
  })

  test('a pod reads the API with its token as far as RBAC lets it', async () => {
    await cluster.ok('apply -f -', { input: READER })
    await cluster.ok('-n shop wait --for=condition=Ready pod/reader --timeout=300s')
    const home = '/var/run/secrets/kubernetes.io/serviceaccount'
    const inPod = (...words: string[]) => cluster.kubectl(['-n', 'shop', 'exec', 'reader', '--', ...words])
    assert.equal((await inPod('cat', `${home}/namespace`)).stdout, 'shop')
    assert.match((await inPod('cat', `${home}/ca.crt`)).stdout, /BEGIN CERTIFICATE/)
    assert.match((await inPod('nslookup', 'kubernetes.default.svc.cluster.local')).stdout, /10\.96\.0\.1/)
    const token = (await inPod('cat', `${home}/token`)).stdout
    // The address and the token are the pod's; busybox has no TLS, so the question is asked from the pod's network by the host's curl.
    const ask = (path: string) =>
      cluster.inside([
        'curl',
        '-sS',
        '--cacert',
        `${cluster.directory}/pki/ca.crt`,
        '-H',
        `Authorization: Bearer ${token}`,
        '--resolve',
        'kubernetes.default.svc:443:10.96.0.1',
        `https://kubernetes.default.svc${path}`,
      ])
    await cluster.ok('-n shop create service clusterip read --tcp=80')
    const services = JSON.parse((await ask('/api/v1/namespaces/shop/services')).stdout)
    assert.ok(
      services.items.some((service: { metadata: { name: string } }) => service.metadata.name === 'read'),
      JSON.stringify(services),
    )
    const refused = JSON.parse((await ask('/api/v1/namespaces/shop/secrets')).stdout)
    assert.equal(refused.code, 403)
    assert.equal(
      refused.message,
      'secrets is forbidden: User "system:serviceaccount:shop:reader" cannot list resource "secrets" in API group "" in the namespace "shop"',
    )
  })

  test('kill -9 loses no object, and running containers are adopted, not restarted', async () => {
    const snapshot = async () => {
      const objects = new Map<string, string>()
      for (const kind of [
        'deployments',
        'replicasets',
        'services',
        'configmaps',
        'serviceaccounts',
        'roles.rbac.authorization.k8s.io',
        'secrets',
      ]) {
        for (const { metadata } of JSON.parse(await cluster.ok(`get ${kind} -A -o json`)).items)
          objects.set(`${kind}/${metadata.namespace}/${metadata.name}`, `${metadata.uid} ${metadata.resourceVersion}`)
      }
      return objects
    }
    const containers = async () => {
      const found = new Map<string, string>()
      for (const { metadata, status } of JSON.parse(await cluster.ok('-n shop get pods -o json')).items) {
        for (const one of status.containerStatuses) found.set(`${metadata.name}/${one.name}`, `${one.containerID} ${one.restartCount}`)
      }
      return found
    }
    await cluster.ok('-n shop delete pod counter-log --now')
    await cluster.ok('-n shop rollout status deployment/web --timeout=300s')
    await eventually(async () => !(await cluster.ok('-n shop get pods')).includes('Terminating'), { what: 'old pods gone' })
    const [objects, running] = [await snapshot(), await containers()]
    await cluster.kill()
    await cluster.up()
    await eventually(async () => (await cluster.ok('get nodes')).includes(' Ready '), { what: 'the node is Ready' })
    assert.deepEqual(await snapshot(), objects)
    assert.match(await eventually(async () => (await web(30081)) || undefined, { what: 'an answer after the restart' }), /web-/)
    assert.equal(await cluster.ok('-n shop exec reader -- echo adopted'), 'adopted\n')
    assert.deepEqual(await containers(), running)
  })

  test('down leaves no process, mount, link, namespace or table behind', async () => {
    const { code, stdout, stderr } = await cluster.down()
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^stopped/)
    assert.deepEqual(await cluster.leftovers(), [])
  })
})
