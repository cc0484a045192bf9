// `sampan status`: what runs in a data directory. Exit code 1 when nothing does or the API does not answer.
import { isConditionTrue } from '#api/conditions.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { createHttpClient } from '#client/http-client.ts'
import { CommandError } from './errors.ts'
import { nothingRuns, pkiOf, runningInstance } from './instance.ts'
import { say, table } from './output.ts'
import type { Platform } from './platform.ts'

export async function status({ dataDir }: { dataDir: string }, platform: Platform): Promise<void> {
  const instance = runningInstance(dataDir)
  if (!instance) throw nothingRuns(dataDir)
  if (!instance.url) throw new CommandError(`process ${instance.pid} is still starting in ${dataDir}`)
  const credentials = platform.credentials(pkiOf(dataDir, instance), instance.url)
  if (!credentials) throw new CommandError(`${dataDir} holds no credentials`)
  await using client = createHttpClient({
    url: credentials.url,
    ca: credentials.ca,
    cert: credentials.certificate,
    key: credentials.key,
    clock: platform.clock,
  })
  const signal = AbortSignal.timeout(10_000)
  const [nodes, pods] = await Promise.all([client.list(Node, { signal }), client.list(Pod, { signal })]).catch((error: Error) => {
    throw new CommandError(`process ${instance.pid} runs, but ${instance.url} does not answer: ${error.message}`)
  })
  say(`${instance.url}  process ${instance.pid}  version ${instance.version}  data in ${dataDir}`)
  const shown = nodes.items
    .slice(0, 20)
    .map((node) => [
      node.metadata?.name ?? '',
      isConditionTrue(node.status?.conditions, 'Ready') ? 'Ready' : 'NotReady',
      String(pods.items.filter(({ spec }) => spec?.nodeName === node.metadata?.name).length),
    ])
  say(table(['NODE', 'STATUS', 'PODS'], shown))
  if (nodes.items.length > shown.length) say(`and ${nodes.items.length - shown.length} more nodes`)
}
