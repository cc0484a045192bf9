// Pages of a list whose moment is gone between two of them, as real clients meet them: kubectl in every version and the official JavaScript client.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import { promisify } from 'node:util'
import { execFile } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { type ApiException, CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import { configMap, IN_DEFAULT, startRequests } from '#server/engine/requests.ts'
import { kubectls, noKubectl } from './instance.ts'

const run = promisify(execFile)

/** A server whose history is forgotten whenever somebody asks for a second page, while `forgetting`. */
async function forgetful(t: TestContext) {
  const requests = await startRequests()
  const state = { url: '', forgetting: true, asked: [] as string[] }
  const front = createServer((request, response) => {
    void (async () => {
      const path = request.url!
      if (path.includes('continue=') && state.forgetting) {
        await requests.send('POST', `${IN_DEFAULT}/configmaps`, configMap(`later-${state.asked.length}`))
        await requests.store.compact(requests.store.revision())
      }
      state.asked.push(path)
      const { status, headers, body } = await requests.server.handle({ method: request.method!, path, headers: request.headers })
      response.writeHead(status, headers).end(body)
    })()
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  state.url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`
  t.after(async () => {
    front.close()
    front.closeAllConnections()
    await requests[Symbol.asyncDispose]()
  })
  for (const name of ['a', 'b', 'c', 'd', 'e']) await requests.send('POST', `${IN_DEFAULT}/configmaps`, configMap(name))
  return state
}

for (const program of kubectls())
  test(`${basename(program)} get --chunk-size says what an expired page says`, { skip: noKubectl }, async (t) => {
    const server = await forgetful(t)
    const get = ['--kubeconfig=/dev/null', `--server=${server.url}`, 'get', 'configmaps', '--chunk-size=2', '-o', 'name']
    await assert.rejects(run(program, get), {
      code: 1,
      stdout: 'configmap/a\nconfigmap/b\n',
      stderr: /^Error from server \(Expired\): The provided continue parameter is too old to display a consistent list result\./,
    })
    assert.match(server.asked.at(-1)!, /configmaps\?continue=[\w-]+&limit=2$/)
    server.forgetting = false
    const { stdout } = await run(program, get)
    assert.equal(stdout.split('\n').filter((line) => /^configmap\/[a-e]$/.test(line)).length, 5)
  })

test('@kubernetes/client-node takes the rest of a list with the token of an expired page', async (t) => {
  const server = await forgetful(t)
  const config = new KubeConfig()
  config.loadFromClusterAndUser({ name: 'c', server: server.url, skipTLSVerify: true }, { name: 'u' })
  const api = config.makeApiClient(CoreV1Api)
  const page = (_continue?: string) => api.listNamespacedConfigMap({ namespace: 'default', limit: 2, ...(_continue ? { _continue } : {}) })
  const first = await page()
  const expired = (await page(first.metadata!._continue).catch((error: unknown) => error)) as ApiException<string>
  const status = JSON.parse(expired.body)
  assert.deepEqual([expired.code, status.reason], [410, 'Expired'])
  server.forgetting = false
  const rest = []
  for (let next: string | undefined = status.metadata.continue; next; ) {
    const { items, metadata } = await page(next)
    rest.push(...items.map((one) => one.metadata!.name!))
    next = metadata!._continue
  }
  assert.deepEqual(
    [first.items.map((one) => one.metadata!.name), rest],
    [
      ['a', 'b'],
      ['c', 'd', 'e', 'later-1'],
    ],
  )
})
