// Conformance tests of kubectl against the API alone, each written from its description and named after it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { kubectls, noKubectl, run } from '../instance.ts'
import { startSuite, type Suite } from './cluster.ts'

describe('kubectl', { skip: noKubectl, concurrency: 2 }, () => {
  let suite: Suite
  let home: string
  const program = kubectls().at(-1)!
  const arguments_ = () => [`--kubeconfig=${join(home, 'kubeconfig')}`, `--cache-dir=${join(home, 'cache')}`]
  const kubectl = (words: readonly string[], input?: string) =>
    run([program, ...arguments_(), ...words], input === undefined ? {} : { input })

  before(async () => {
    suite = await startSuite()
    home = mkdtempSync(join(tmpdir(), 'sampan-kubectl-'))
    writeFileSync(join(home, 'kubeconfig'), suite.cluster.kubeconfig(), { mode: 0o600 })
  })
  after(async () => {
    await suite?.[Symbol.asyncDispose]()
    if (home) rmSync(home, { recursive: true, force: true })
  })
  const conformance = (title: string, check: () => Promise<void>) => test(`[sig-cli] Kubectl client ${title} [Conformance]`, check)

  conformance('Kubectl api-versions should check if v1 is in available api versions', async () => {
    const { stdout } = await kubectl(['api-versions'])
    assert.ok(stdout.split('\n').includes('v1'))
  })

  conformance('Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info', async () => {
    const { stdout } = await kubectl(['cluster-info'])
    assert.match(stdout, /Kubernetes control plane.* is running at/)
  })

  conformance('Kubectl version should check is all data is printed', async () => {
    const { stdout } = await kubectl(['version'])
    for (const wanted of ['Client Version', 'Server Version']) assert.match(stdout, new RegExp(`${wanted}: v\\d+\\.\\d+`))
  })

  conformance('Kubectl diff should check if kubectl diff finds a difference for Deployments', async () => {
    const namespace = await suite.namespace()
    const manifest = (image: string) =>
      JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'httpd', namespace },
        spec: {
          selector: { matchLabels: { app: 'a' } },
          template: { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'httpd', image }] } },
        },
      })
    assert.equal((await kubectl(['create', '-f', '-'], manifest('httpd:1'))).code, 0)
    const { code, stdout } = await kubectl(['diff', '-f', '-'], manifest('busybox:1'))
    assert.equal(code, 1)
    for (const line of ['-        image: httpd:1', '+        image: busybox:1'])
      assert.ok(stdout.includes(line.trimStart().slice(1).trim()), stdout)
  })

  /** Runs the proxy until `use` is done with it. */
  const proxy = async (words: readonly string[], ready: RegExp, use: (found: RegExpExecArray) => Promise<void>) => {
    const child = spawn(program, [...arguments_(), 'proxy', ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      let said = ''
      for await (const chunk of child.stdout) {
        said += String(chunk)
        const found = ready.exec(said)
        if (found) return await use(found)
      }
      throw new Error(`the proxy ended: ${said}`)
    } finally {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    }
  }
  const versions = (options: object) =>
    new Promise<{ versions: string[] }>((resolve, reject) => {
      request({ path: '/api/', ...options }, (answer) => {
        let text = ''
        answer.on('data', (chunk) => (text += String(chunk))).on('end', () => resolve(JSON.parse(text)))
      })
        .on('error', reject)
        .end()
    })

  conformance('Proxy server should support proxy with --port 0', () =>
    proxy(['--port=0', '--disable-filter=true'], /127\.0\.0\.1:(\d+)/, async ([, port]) => {
      assert.ok((await versions({ host: '127.0.0.1', port })).versions.includes('v1'))
    }),
  )

  conformance('Proxy server should support --unix-socket=/path', async () => {
    const socketPath = join(home, 'proxy.sock')
    await proxy([`--unix-socket=${socketPath}`], /Starting to serve/, async () => {
      assert.ok((await versions({ socketPath })).versions.includes('v1'))
    })
  })
})
