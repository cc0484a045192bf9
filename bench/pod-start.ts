// Creates pods one after the other and notes when each step is seen through a watch: scheduled, sandbox ready, container running. In turn with
// them the same sandbox and container are made by CRI calls alone: what containerd takes on this machine at this moment.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { createCriRuntime } from '#node/cri/cri-runtime.ts'
import type { SecurityConfig } from '#node/runtime.ts'
import { connectByKubeconfig } from './connection.ts'

const [kubeconfig = '', socket = '', count = '20'] = process.argv.slice(2)
const WARM_UP = 2
const IMAGE = 'busybox:1.35'
/** Ends at once when asked to, so that no pod's end reaches into the next one's start. */
const COMMAND = ['sh', '-c', 'trap "exit 0" TERM; sleep 3600 & wait']

using connection = connectByKubeconfig(kubeconfig)
using runtime = createCriRuntime({ endpoint: socket, clock: systemClock, log: silentLogger })
const logDirectory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
const path = '/api/v1/namespaces/default/pods'
const listeners = new Map<string, (type: string, pod: any, at: number) => void>()
connection.watch(`${path}?watch=true`, ({ type, object }) => listeners.get(object.metadata?.name)?.(type, object, performance.now()))
const settle = () => new Promise((resolve) => setTimeout(resolve, 200))

async function throughApi(name: string): Promise<Record<string, number>> {
  const seen: Record<string, number> = {}
  const running = Promise.withResolvers<number>()
  const gone = Promise.withResolvers<void>()
  const holds = (pod: any, type: string) => pod.status?.conditions?.some((one: any) => one.type === type && one.status === 'True')
  listeners.set(name, (type, pod, at) => {
    if (pod.spec.nodeName) seen.scheduled ??= at
    if (holds(pod, 'PodReadyToStartContainers')) seen.sandbox ??= at
    if (pod.status?.phase === 'Running') running.resolve(at)
    if (type === 'DELETED') gone.resolve()
  })
  const spec = { containers: [{ name: 'box', image: IMAGE, imagePullPolicy: 'IfNotPresent', command: COMMAND }] }
  const began = performance.now()
  const { status, body } = await connection.request(
    'POST',
    path,
    JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }),
  )
  if (status !== 201) throw new Error(body)
  const answered = performance.now()
  const ended = await running.promise
  await settle()
  await connection.request('DELETE', `${path}/${name}`)
  await gone.promise
  listeners.delete(name)
  const scheduled = Math.max(seen.scheduled ?? answered, answered)
  const sandbox = seen.sandbox ?? ended
  return {
    total: ended - began,
    'create answered': answered - began,
    'scheduled and seen so': scheduled - answered,
    'volumes, sandbox and network': sandbox - scheduled,
    'container, until seen Running': ended - sandbox,
  }
}

const SECURITY: SecurityConfig = {
  privileged: false,
  supplementalGroups: [],
  readOnlyRootFilesystem: false,
  noNewPrivileges: false,
  addCapabilities: [],
  dropCapabilities: [],
  seccomp: 'RuntimeDefault',
  maskedPaths: [],
  readonlyPaths: [],
}

/** Without a pod's uid and labels: the node agent leaves it alone. */
async function byCriAlone(name: string): Promise<Record<string, number>> {
  const sandbox = {
    namespace: 'bench',
    name,
    uid: '',
    attempt: 0,
    hostname: name,
    logDirectory,
    labels: {},
    annotations: {},
    portMappings: [],
    dns: { servers: [], searches: [], options: [] },
    cgroupParent: '/sampan-bench',
    sysctls: {},
    security: SECURITY,
    hostNetwork: false,
    hostPid: false,
    hostIpc: false,
    shareProcessNamespace: false,
  }
  const image = await runtime.imageStatus(IMAGE)
  if (!image) throw new Error(`${IMAGE} is not there`)
  const container = {
    name: 'box',
    attempt: 0,
    imageId: image.id,
    image: IMAGE,
    command: COMMAND,
    args: [],
    workingDir: '',
    env: [],
    mounts: [],
    devices: [],
    labels: {},
    annotations: {},
    logPath: 'box.log',
    stdin: false,
    stdinOnce: false,
    tty: false,
    resources: { cpuShares: 2, cpuQuota: 0, cpuPeriod: 100_000, memoryLimitBytes: 0, oomScoreAdj: 1000 },
    security: { ...SECURITY, seccomp: 'Unconfined' },
  }
  const began = performance.now()
  const sandboxId = await runtime.runPodSandbox(sandbox)
  const made = performance.now()
  const id = await runtime.createContainer(sandboxId, container, sandbox)
  const created = performance.now()
  await runtime.startContainer(id)
  const started = performance.now()
  await settle()
  await runtime.stopContainer(id, 5)
  await runtime.removeContainer(id)
  await runtime.stopPodSandbox(sandboxId)
  await runtime.removePodSandbox(sandboxId)
  return { total: started - began, RunPodSandbox: made - began, CreateContainer: created - made, StartContainer: started - created }
}

const collect = () => {
  const lists: Record<string, number[]> = {}
  const add = (values: Record<string, number>) => {
    for (const [name, value] of Object.entries(values)) (lists[name] ??= []).push(value)
  }
  return { lists, add }
}
const [api, cri] = [collect(), collect()]
for (let i = -WARM_UP; i < Number(count); i++) {
  const direct = await byCriAlone(`direct-${i + WARM_UP}`)
  await settle()
  const pod = await throughApi(`start-${i + WARM_UP}`)
  await settle()
  if (i < 0) continue
  api.add(pod)
  cri.add(direct)
}
rmSync(logDirectory, { recursive: true, force: true })
process.stdout.write(JSON.stringify({ api: api.lists, cri: cri.lists }))
process.exit(0)
