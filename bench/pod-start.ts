// Creates pods one after the other and notes when each step is seen through a watch: scheduled, sandbox ready, container running.
import { connectByKubeconfig } from './connection.ts'

const [kubeconfig = '', count = '20'] = process.argv.slice(2)
using connection = connectByKubeconfig(kubeconfig)
const path = '/api/v1/namespaces/default/pods'
const total: number[] = []
const parts: Record<string, number[]> = {
  'create answered': [],
  scheduling: [],
  'sandbox and network': [],
  'container create and start, until seen Running': [],
}
const waiting = new Map<string, (pod: any, at: number) => void>()

connection.watch(`${path}?watch=true`, ({ object }) => waiting.get(object.metadata?.name)?.(object, performance.now()))
const condition = (pod: any, type: string) => pod.status?.conditions?.some((one: any) => one.type === type && one.status === 'True')

for (let i = -2; i < Number(count); i++) {
  const name = `start-${i + 2}`
  const seen: Record<string, number> = {}
  const running = Promise.withResolvers<number>()
  waiting.set(name, (pod, at) => {
    if (pod.spec.nodeName) seen.scheduled ??= at
    if (condition(pod, 'PodReadyToStartContainers')) seen.sandbox ??= at
    if (pod.status?.phase === 'Running') running.resolve(at)
  })
  const began = performance.now()
  const spec = {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'box', image: 'busybox:1.35', imagePullPolicy: 'IfNotPresent', command: ['sleep', '3600'] }],
  }
  const { status, body } = await connection.request(
    'POST',
    path,
    JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }),
  )
  if (status !== 201) throw new Error(body)
  const answered = performance.now()
  const ended = await running.promise
  await connection.request('DELETE', `${path}/${name}?gracePeriodSeconds=0`)
  await new Promise((resolve) => setTimeout(resolve, 300))
  if (i < 0) continue
  const sandbox = seen.sandbox ?? ended
  const scheduled = seen.scheduled ?? answered
  total.push(ended - began)
  const values = [answered - began, scheduled - answered, sandbox - scheduled, ended - sandbox]
  for (const [index, list] of Object.values(parts).entries()) list.push(Math.max(0, values[index]!))
}
process.stdout.write(JSON.stringify({ total, parts }))
process.exit(0)
