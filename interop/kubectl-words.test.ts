// Every kubectl on this machine against simulated nodes: what it says word for word, where only the server can make it say so.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fetchPinned, pinned } from './clients/pinned.ts'
import { eventually, Instance, kubectls, noKubectl, type Output } from './instance.ts'

const OBJECTS = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "web:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stuck}
spec: {nodeSelector: {disk: none}, containers: [{name: main, image: "web:1"}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Gi}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {ingressClassName: none, defaultBackend: {service: {name: web, port: {number: 80}}}}
`

/** A line of kubectl (`NS` is the namespace), and what it must print. */
const SAYS: [line: string, output: RegExp][] = [
  ['rollout status deployment/web --timeout=300s', /deployment "web" successfully rolled out/],
  ['get deployment web --subresource=scale', /^NAME +DESIRED +AVAILABLE +AGE\nweb +2 +2 +/],
  ['get deployment web --subresource=status', /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 /],
  ['scale deployment web --replicas=3 --current-replicas=2', /^deployment.apps\/web scaled\n$/],
  ['scale deployment web --replicas=3 --current-replicas=2', /^error: Expected replicas to be 2, was 3\n$/],
  ['set image deployment/web main=web:2', /^deployment.apps\/web image updated\n$/],
  ['rollout status deployment/web --timeout=300s', /successfully rolled out/],
  ['rollout history deployment/web', /^deployment.apps\/web ?\nREVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n/],
  ['rollout undo deployment/web --to-revision=9', /^error: unable to find specified revision 9 in history\n$/m],
  ['rollout pause deployment/web', /^deployment.apps\/web paused\n$/],
  ['rollout resume deployment/web', /^deployment.apps\/web resumed\n$/],
  ['autoscale deployment web --max=5 --cpu-percent=80', /^horizontalpodautoscaler.autoscaling\/web autoscaled\n$/m],
  ['expose deployment web --name=again --port=80', /^service\/again exposed\n$/],
  ['label deployment web app=other', /^error: 'app' already has a value \(web\), and --overwrite is false\n$/],
  [
    'describe deployment web',
    /^ +Progressing +True +NewReplicaSetAvailable\nOldReplicaSets: +web-\w+ \(0\/0 replicas created\)\nNewReplicaSet: /m,
  ],
  ['describe service web', /^TargetPort: +8080\/TCP\nNodePort: +<unset> +3\d{4}\/TCP\nEndpoints: +[\d.]+:8080,[\d.]+:8080/m],
  ['describe pod stuck', /Warning +FailedScheduling .*0\/2 nodes are available: 2 node\(s\) didn't match Pod's node affinity\/selector\./],
  ['describe pvc data', /Warning +ProvisioningFailed .*storageclass.storage.k8s.io "none" not found/],
  ['describe ingress web', /^Default backend: +web:80 \([\d.]+:8080,[\d.]+:8080/m],
  ['describe namespace NS', /^Status: +Active\n\nNo resource quota.\n\nNo LimitRange resource.\n$/m],
  ['get pdb web', /^web +2 +N\/A +1 +/m],
  ['logs deployment/web', /is simulated: it runs no containers/],
  ['exec deployment/web -- ls', /is simulated: it runs no containers/],
  ['auth can-i list pods --as=nobody', /^no\n/],
  [
    'get pods --as=nobody',
    /^Error from server \(Forbidden\): pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "NS"\n$/,
  ],
  ['get nothing', /^error: the server doesn't have a resource type "nothing"\n$/],
  ['get --raw /api/v1/nothing', /^Error from server \(NotFound\): the server could not find the requested resource\n$/],
  ['get pods --field-selector=a=b', /field label not supported: a\n/],
  ['explain deployment', /^ {2}spec\t<DeploymentSpec>\n +What is wanted\.\n/m],
  ['explain pod.nothing', /field "nothing" does not exist\n/],
  [
    'create quota bad --hard=cpu=1 --scopes=BestEffort',
    /spec.scopes: Invalid value: \["BestEffort"\]: unsupported scope applied to resource\n$/,
  ],
  ['create cronjob bad --image=a --schedule=1', /spec.schedule: Invalid value: "1": expected exactly 5 fields, found 1: \[1\]\n$/],
  ['create namespace Bad', /^The Namespace "Bad" is invalid: metadata.name: Invalid value: "Bad": a lowercase RFC 1123 label must/],
  ['create configmap settings', /^error: failed to create configmap: configmaps "settings" already exists\n$/],
  ['wait --for=jsonpath={.status.phase}=Pending pvc/data --timeout=300s', /^persistentvolumeclaim\/data condition met\n$/],
  ['wait --for=delete configmap/none --timeout=1s', /^$/],
  ['delete pod stuck --force', /^Warning: Immediate deletion does not wait .*\npod "stuck" force deleted/],
  ['get pod none --ignore-not-found', /^$/],
  ['delete deployment web --cascade=orphan', /^deployment.apps "web" deleted/],
  ['delete replicasets -l app=web --cascade=foreground', /^(replicaset.apps "web-\w+" deleted.*\n){2}$/],
  ['get pods', /^No resources found in NS namespace.\n$/],
]

const MAP_ONE = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n'
const MAP_TWO = MAP_ONE.replace('one', 'two')
const PREFERENCES = `
apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
aliases:
- {name: boats, command: get, prependArgs: [configmaps], options: [{name: output, default: name}]}
`
/** What came with kubectl 1.31 to 1.36, what is on standard input, and what it prints. */
const NEW: [line: string, output: RegExp, input?: string][] = [
  ['create configmap settings --from-literal=a=1', /^configmap\/settings created\n$/],
  ['wait --for=create configmap/settings --timeout=300s', /^configmap\/settings condition met\n$/],
  ['get configmap settings -o kyaml', /^---\n\{\n {2}apiVersion: "v1",\n {2}data: \{\n {4}a: "1",\n {2}\},\n {2}kind: "ConfigMap",\n/],
  ['apply -f - --prune --applyset=fleet', /^configmap\/one created\nconfigmap\/two created\n$/, `${MAP_ONE}---\n${MAP_TWO}`],
  ['apply -f - --prune --applyset=fleet', /^configmap\/one unchanged\nconfigmap\/two pruned\n$/, MAP_ONE],
  ['get secret fleet -o jsonpath={.metadata.annotations}', /"applyset.kubernetes.io\/contains-group-kinds":"ConfigMap"/],
  ['get configmaps -l applyset.kubernetes.io/part-of -o name', /^configmap\/one\n$/],
  ['run box --image=box', /^pod\/box created\n$/],
  ['wait --for=condition=Ready pod/box --timeout=300s', /condition met/],
  ['get pod box --subresource=resize', /^NAME +READY +STATUS +RESTARTS +AGE\nbox +1\/1 +Running/],
  [
    'patch pod box --subresource=resize -p {"spec":{"containers":[{"name":"box","resources":{"requests":{"cpu":"1"}}}]}}',
    /^The Pod "box" is invalid: spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing\n$/,
  ],
  ['events --for pod/box --types=Normal', /Normal +Scheduled +Pod\/box +Successfully assigned NS\/box to simulated-\d\n/],
  ...['general', 'baseline', 'restricted', 'netadmin', 'sysadmin'].map((profile): [string, RegExp] => [
    `debug box --image=b --profile=${profile} --copy-to=${profile}`,
    /^Defaulting debug container name to /,
  ]),
  ['get pod sysadmin -o jsonpath={.spec.containers[1].securityContext}', /^\{"privileged":true\}$/],
  ['get pod restricted -o jsonpath={.spec.containers[1].securityContext}', /^\{"allowPrivilegeEscalation":false,/],
  ['auth whoami -o jsonpath={.status.userInfo.username}', /^kubernetes-admin$/],
  [
    'api-resources -o wide --api-group=apps',
    /^deployments +deploy +apps\/v1 +true +Deployment +create,delete,deletecollection,get,list,patch,update,watch +all$/m,
  ],
  ['delete pods --all --now', /^pod "baseline" deleted/],
]

/** What controllers bring about, some time after kubectl has ended: asked again until it is so, told as it was in the end. */
const LOOKS = /^(get|describe|events|rollout history) /

/** Both outputs, without what client libraries log. */
async function said(line: string, output: RegExp, ask: () => Promise<Output>): Promise<void> {
  let last = ''
  const look = async () => {
    const { stdout, stderr } = await ask()
    last = (stderr + stdout).replaceAll(/^[IWE]\d{4} .*\n/gm, '')
    return output.test(last)
  }
  if (LOOKS.test(line)) await eventually(look).catch(() => {})
  else await look()
  assert.match(last, output, `kubectl ${line}`)
}

await fetchPinned()

describe('kubectl', { skip: noKubectl, concurrency: 2 }, () => {
  let cluster: Instance
  before(async () => {
    cluster = await Instance.start({ nodes: 'simulated:2', args: ['--store', 'memory'] })
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
  })

  for (const program of kubectls()) {
    const version = basename(program).replace('kubectl.', '')
    test(`kubectl ${version} says what it says to upstream`, async () => {
      const ns = `w-${version.replaceAll('.', '-')}`
      await cluster.ok(`create namespace ${ns}`, { program })
      const applied = await cluster.kubectl(['-n', ns, 'apply', '-f', '-'], { program, input: OBJECTS })
      assert.equal(applied.code, 0, applied.stderr)
      for (const [line, output] of SAYS) {
        const words = line.replaceAll('NS', ns).split(' ')
        const expected = new RegExp(output.source.replaceAll('NS', ns), output.flags)
        await said(line, expected, () => cluster.kubectl(['-n', ns, ...words], { program }))
      }
    })
  }

  for (const program of pinned('kubectl')) {
    const version = basename(program).replace('kubectl.', '')
    test(`kubectl ${version} does what is new`, async () => {
      const ns = `n-${version.replaceAll('.', '-')}`
      const env = { KUBECTL_APPLYSET: 'true', KUBECTL_KYAML: 'true' }
      await cluster.ok(`create namespace ${ns}`, { program })
      for (const [line, output, input = ''] of NEW) {
        const expected = new RegExp(output.source.replaceAll('NS', ns), output.flags)
        await said(line, expected, () => cluster.kubectl(['-n', ns, ...line.split(' ')], { program, env, input }))
      }
      const preferences = join(cluster.directory, `${ns}.kuberc`)
      writeFileSync(preferences, PREFERENCES)
      // An alias is found only where it comes first.
      const words = ['boats', '-n', ns, `--kuberc=${preferences}`, `--kubeconfig=${cluster.kubeconfig}`]
      const { stdout, stderr } = await cluster.inside([program, ...words])
      assert.match(stdout, /^configmap\/kube-root-ca.crt\nconfigmap\/one\nconfigmap\/settings\n$/, stderr)
    })
  }
})
