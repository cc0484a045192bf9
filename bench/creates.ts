// Creates ConfigMaps of 1 KB through the API by so many clients at once; prints how many a second.
import { connectByKubeconfig } from './connection.ts'
import { rate } from './figures.ts'

const [kubeconfig = '', workers = '1', count = '2000', prefix = 'c'] = process.argv.slice(2)
using connection = connectByKubeconfig(kubeconfig)
const data = { filler: 'x'.repeat(800) }
const path = '/api/v1/namespaces/default/configmaps'
await rate(100, 8, (i) => create(`${prefix}-warm-${workers}-${i}`))
process.stdout.write(String(await rate(Number(count), Number(workers), (i) => create(`${prefix}-${workers}-${i}`))))

async function create(name: string): Promise<void> {
  const { status, body } = await connection.request(
    'POST',
    path,
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }),
  )
  if (status !== 201) throw new Error(body)
}
