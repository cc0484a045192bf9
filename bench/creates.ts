// Creates ConfigMaps of 1 KB through the API by 1 and by 32 clients at once; prints how many a second as JSON.
import { connectByKubeconfig } from './connection.ts'
import { rate } from './figures.ts'

const [kubeconfig = '', count = '2000'] = process.argv.slice(2)
using connection = connectByKubeconfig(kubeconfig)
const data = { filler: 'x'.repeat(800) }
const path = '/api/v1/namespaces/default/configmaps'
const result: Record<number, number> = {}
await rate(300, 8, (i) => create(`warm-${i}`))
for (const workers of [1, 32]) result[workers] = await rate(Number(count), workers, (i) => create(`c${workers}-${i}`))
process.stdout.write(JSON.stringify(result))

async function create(name: string): Promise<void> {
  const { status, body } = await connection.request(
    'POST',
    path,
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }),
  )
  if (status !== 201) throw new Error(body)
}
