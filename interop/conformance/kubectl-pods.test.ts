// Conformance tests of kubectl with pods in which nothing needs to run, by the newest kubectl of this machine; each named after its original.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { kubectls, noKubectl, run } from '../instance.ts'
import { startSuite, type Suite } from './cluster.ts'

let suite: Suite
const files = mkdtempSync(join(tmpdir(), 'sampan-conformance-'))
const kubeconfig = join(files, 'kubeconfig')
const program = kubectls().at(-1)!
before(async () => {
  suite = await startSuite({ nodes: 1 })
  writeFileSync(kubeconfig, suite.cluster.kubeconfig(), { mode: 0o600 })
})
after(async () => {
  await suite?.[Symbol.asyncDispose]()
  rmSync(files, { recursive: true, force: true })
})

const kubectl = (words: string[], input = '') =>
  run([program, `--kubeconfig=${kubeconfig}`, `--cache-dir=${join(files, 'cache')}`, ...words], { input })
const ok = async (words: string[], input?: string): Promise<string> => {
  const { code, stdout, stderr } = await kubectl(words, input)
  assert.equal(code, 0, `kubectl ${words.join(' ')}: ${stderr}`)
  return stdout
}
const httpd = 'registry.k8s.io/e2e-test-images/httpd:2.4.38-4'
const other = 'registry.k8s.io/e2e-test-images/httpd:2.4.39-4'
const controller = `
apiVersion: v1
kind: ReplicationController
metadata: {name: agnhost-primary, labels: {app: agnhost, role: primary}}
spec:
  replicas: 1
  selector: {app: agnhost, role: primary}
  template:
    metadata: {labels: {app: agnhost, role: primary}}
    spec: {containers: [{name: agnhost-primary, image: agnhost, args: [guestbook], ports: [{name: agnhost-server, containerPort: 6379}]}]}
`
const service = `
apiVersion: v1
kind: Service
metadata: {name: agnhost-primary, labels: {app: agnhost, role: primary}}
spec: {ports: [{port: 6379, targetPort: agnhost-server}], selector: {app: agnhost, role: primary}}
`
const running = (namespace: string, selector: string) =>
  suite.eventually('running pods', async () => {
    const { items } = await suite.ok('GET', `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`)
    const isReady = ({ status }: any) => status.conditions?.some(({ type, status: is }: any) => type === 'Ready' && is === 'True')
    return items.length > 0 && items.every((pod: any) => pod.status.phase === 'Running' && isReady(pod)) && items
  })

describe('kubectl and pods', { concurrency: 3, skip: noKubectl }, () => {
  test('[sig-cli] Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods [Conformance]', async () => {
    const namespace = await suite.namespace()
    await ok(['-n', namespace, 'run', 'e2e-test-httpd-pod', `--image=${httpd}`, '--labels=run=e2e-test-httpd-pod'])
    const patch = JSON.stringify({ spec: { containers: [{ name: 'e2e-test-httpd-pod', image: other }] } })
    await ok(['-n', namespace, 'patch', 'pod', 'e2e-test-httpd-pod', '-p', patch, '--dry-run=server'])
    const pod = JSON.parse(await ok(['-n', namespace, 'get', 'pod', 'e2e-test-httpd-pod', '-o', 'json']))
    assert.equal(pod.spec.containers[0].image, httpd)
    await ok(['-n', namespace, 'delete', 'pods', 'e2e-test-httpd-pod'])
  })

  test('[sig-cli] Kubectl client Kubectl run pod should create a pod from an image when restart is Never [Conformance]', async () => {
    const namespace = await suite.namespace()
    await ok(['-n', namespace, 'run', 'e2e-test-httpd-pod', '--restart=Never', '--pod-running-timeout=2m0s', `--image=${httpd}`])
    const pod = await suite.ok('GET', `/api/v1/namespaces/${namespace}/pods/e2e-test-httpd-pod`)
    assert.deepEqual([pod.spec.containers[0].image, pod.spec.restartPolicy], [httpd, 'Never'])
    await ok(['-n', namespace, 'delete', 'pods', 'e2e-test-httpd-pod'])
  })

  test("[sig-cli] Kubectl client Kubectl replace should update a single-container pod's image [Conformance]", async () => {
    const namespace = await suite.namespace()
    await ok(['-n', namespace, 'run', 'e2e-test-httpd-pod', `--image=${httpd}`, '--labels=run=e2e-test-httpd-pod'])
    await running(namespace, 'run=e2e-test-httpd-pod')
    const text = await ok(['-n', namespace, 'get', 'pod', 'e2e-test-httpd-pod', '-o', 'json'])
    assert.match(text, new RegExp(httpd))
    await ok(['-n', namespace, 'replace', '-f', '-'], text.replaceAll(httpd, other))
    const pod = await suite.ok('GET', `/api/v1/namespaces/${namespace}/pods/e2e-test-httpd-pod`)
    assert.equal(pod.spec.containers[0].image, other)
    await ok(['-n', namespace, 'delete', 'pods', 'e2e-test-httpd-pod'])
  })

  test('[sig-cli] Kubectl client Kubectl label should update the label on a resource [Conformance]', async () => {
    const namespace = await suite.namespace()
    await ok(['-n', namespace, 'run', 'pause', '--image=pause', '--labels=name=pause'])
    await running(namespace, 'name=pause')
    await ok(['-n', namespace, 'label', 'pods', 'pause', 'testing-label=testing-label-value'])
    assert.match(await ok(['-n', namespace, 'get', 'pod', 'pause', '-L', 'testing-label']), /testing-label-value/)
    await ok(['-n', namespace, 'label', 'pods', 'pause', 'testing-label-'])
    assert.doesNotMatch(await ok(['-n', namespace, 'get', 'pod', 'pause', '-L', 'testing-label']), /testing-label-value/)
  })

  test('[sig-cli] Kubectl client Kubectl patch should add annotations for pods in rc [Conformance]', async () => {
    const namespace = await suite.namespace()
    await ok(['-n', namespace, 'create', '-f', '-'], controller)
    for (const pod of await running(namespace, 'app=agnhost'))
      await ok(['-n', namespace, 'patch', 'pod', pod.metadata.name, '-p', '{"metadata":{"annotations":{"x":"y"}}}'])
    for (const pod of await running(namespace, 'app=agnhost')) assert.equal(pod.metadata.annotations.x, 'y')
  })

  test('[sig-cli] Kubectl client Kubectl describe should check if kubectl describe prints relevant information for rc and pods [Conformance]', async () => {
    const namespace = await suite.namespace()
    await ok(['-n', namespace, 'create', '-f', '-'], controller)
    await ok(['-n', namespace, 'create', '-f', '-'], service)
    const [pod] = await running(namespace, 'app=agnhost')
    const shows = async (words: string[], lines: [string, string][]) => {
      await suite.eventually(words.join(' '), async () => {
        const text = await ok(['-n', namespace, 'describe', ...words])
        for (const [label, value] of lines) assert.match(text, new RegExp(`^\\s*${label}.*${value}`, 'm'), label)
        return true
      })
    }
    await shows(
      ['pod', pod.metadata.name],
      [
        ['Name:', 'agnhost-primary-'],
        ['Namespace:', namespace],
        ['Node:', 'simulated-'],
        ['Labels:', 'app=agnhost'],
        ['', 'role=primary'],
        ['Annotations:', ''],
        ['Status:', 'Running'],
        ['IP:', '\\d'],
        ['Controlled By:', 'ReplicationController/agnhost-primary'],
        ['Image:', 'agnhost'],
        ['State:', 'Running'],
        ['QoS Class:', 'BestEffort'],
      ],
    )
    await suite.eventually('an event', async () =>
      (await ok(['-n', namespace, 'describe', 'rc', 'agnhost-primary'])).includes('SuccessfulCreate'),
    )
    await shows(
      ['rc', 'agnhost-primary'],
      [
        ['Name:', 'agnhost-primary'],
        ['Namespace:', namespace],
        ['Selector:', 'app=agnhost,role=primary'],
        ['Labels:', 'app=agnhost'],
        ['Annotations:', ''],
        ['Replicas:', '1 current / 1 desired'],
        ['Pods Status:', '1 Running / 0 Waiting / 0 Succeeded / 0 Failed'],
        ['Pod Template:', ''],
        ['Image:', 'agnhost'],
        ['Events:', ''],
      ],
    )
    await shows(
      ['service', 'agnhost-primary'],
      [
        ['Name:', 'agnhost-primary'],
        ['Namespace:', namespace],
        ['Labels:', 'app=agnhost'],
        ['Selector:', 'app=agnhost,role=primary'],
        ['Type:', 'ClusterIP'],
        ['IP:', '\\d'],
        ['Port:', '<unset>  6379/TCP'],
        ['Endpoints:', ':6379'],
        ['Session Affinity:', 'None'],
      ],
    )
    await shows(
      ['node', pod.spec.nodeName],
      [
        ['Name:', pod.spec.nodeName],
        ['Labels:', ''],
        ['Annotations:', ''],
        ['CreationTimestamp:', ''],
        ['Conditions:', ''],
        ['', 'Ready +True'],
        ['Addresses:', ''],
        ['Capacity:', ''],
        ['', 'Container Runtime Version:'],
        ['', 'Kubelet Version:'],
        ['Non-terminated Pods:', ''],
        ['', 'agnhost-primary-'],
      ],
    )
    await shows(
      ['namespace', namespace],
      [
        ['Name:', namespace],
        ['Labels:', ''],
        ['Annotations:', ''],
        ['Status:', 'Active'],
      ],
    )
  })
})
