// A cluster for controller tests: the real API server on a memory store, chosen controllers, time that stands still, and pods that run by themselves.
import { generateKeyPairSync } from 'node:crypto'
import type { TestContext } from 'node:test'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import { ValidatingAdmissionPolicy } from '#api/kinds/admissionregistration/validating-admission-policy.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { keyOf, type KubeObject } from '#api/object.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { ControllerService } from '#client/controller-loop.ts'
import { createInformers } from '#client/informers.ts'
import type { Informers } from '#client/informer.ts'
import { formatTime, systemClock } from '#lib/clock.ts'
import { createLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { startAll } from '#lib/service.ts'
import { createVirtualClock, type VirtualClock } from '#lib/virtual-clock.ts'
import { clusterExtensions } from '#server/cluster-extensions.ts'
import type { Pki } from '#server/pki/pki.ts'
import type { Room } from '#server/engine/room.ts'
import type { ServerContext } from '#server/request.ts'
import { startTestServer } from '#server/testing.ts'
import { type ControllersOptions, controllerServices } from './controllers.ts'

/** Only what the server reads of it while nobody connects. */
const pki = {
  authority: 'CERTIFICATE',
  frontProxyAuthority: 'CERTIFICATE',
  kubeletClient: { certificate: '', key: '' },
  serviceAccountKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
} as unknown as Pki

/** What a check returns once it is satisfied. */
type Settled<T> = Exclude<T, undefined | false | ''>

export interface TestCluster {
  /** Acts as a cluster administrator. */
  client: Client
  informers: Informers
  clock: VirtualClock
  /** Lets the cluster work until `check` returns something, moving time in small steps; fails with what it last said. */
  eventually<T>(check: () => Promise<T> | T): Promise<Settled<T>>
  /** Moves time on and lets everything come to rest. */
  advance(ms: number): Promise<void>
  events(about: string): Promise<string[]>
  /** How often all controllers together have reconciled anything. */
  reconciles(): number
  /** Log lines of controllers that ran into trouble. */
  warnings: readonly string[]
}

const STEP_MS = 20
const STEPS = 400
const PATIENT_STEPS = 300

/** `only`: names of the controllers to run; all by default. `runPods`: a stand-in for scheduler and nodes that makes pods Ready. `room`: for new objects. */
export async function startTestCluster(
  t: TestContext,
  options: { only?: readonly string[]; runPods?: boolean; room?: Room; controllers?: Partial<ControllersOptions> } = {},
): Promise<TestCluster> {
  const clock = createVirtualClock()
  const random = seededRandom(1)
  const warnings: string[] = []
  const log = createLogger({ write: (line) => void warnings.push(line), now: () => clock.now(), level: 'warn' })
  const extensions = (context: ServerContext) =>
    clusterExtensions(context, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '192.0.2.1', port: 6443 })
  const server = await startTestServer({ clock, random, extensions, ...(options.room ? { room: options.room } : {}) })
  const cleanUp = new AsyncDisposableStack()
  t.after(() => cleanUp.disposeAsync())
  cleanUp.use(server)
  const stop = new AbortController()
  cleanUp.defer(() => stop.abort(new Error('the test is over')))
  const { client } = server
  const informers = createInformers({ client, clock, random, log, signal: stop.signal })
  const services = controllerServices({
    clientFor: (user) => server.server.clientFor(user),
    clock,
    random,
    log,
    rootCa: 'CERTIFICATE',
    signToken: ({ namespace, account }) =>
      `e30.${Buffer.from(JSON.stringify({ sub: `system:serviceaccount:${namespace}:${account.name}` })).toString('base64url')}.unsigned`,
    ...options.controllers,
  })
  // Pods need the account they run as.
  const wanted = new Set(['informers', 'controller-accounts', 'serviceaccount-controller', ...(options.only ?? [])])
  const chosen = options.only ? services.filter(({ name }) => wanted.has(name)) : services
  const running = await startAll(chosen, { signal: stop.signal, monotonic: () => clock.monotonic() })
  cleanUp.use(running)
  if (options.runPods) cleanUp.defer(runPods(client, informers, clock))

  const cluster: TestCluster = {
    client,
    informers,
    clock,
    warnings,
    async eventually(check) {
      let last: unknown
      for (let step = 0; step < STEPS; step++) {
        try {
          const result = await check()
          if (result !== undefined && result !== false && result !== '') return result as Settled<Awaited<typeof result>>
        } catch (error) {
          last = error
        }
        await clock.advance(STEP_MS)
        // What other threads do, keys and signatures, takes as long as it takes.
        if (step > PATIENT_STEPS) await systemClock.sleep(20)
      }
      throw new Error(
        `did not come about within ${(STEPS * STEP_MS) / 1000} s of cluster time; last warnings:\n${warnings.slice(-3).join('')}`,
        { cause: last },
      )
    },
    advance: (ms) => clock.advance(ms),
    reconciles: () =>
      chosen.reduce((sum, service) => sum + ('counters' in service ? (service as ControllerService).counters().reconciles : 0), 0),
    async events(about) {
      const { items } = await client.list(CoreEvent)
      return items.filter(({ involvedObject }) => involvedObject.name === about).map(({ reason, message }) => `${reason}: ${message}`)
    },
  }
  return cluster
}

/** A namespace in which pods can be made: admission holds them back until their account is there. */
export async function createNamespace({ client, eventually }: TestCluster, name: string): Promise<void> {
  await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  await eventually(() => client.get(ServiceAccount, { namespace: name, name: 'default' }))
}

/** Nobody may do that any more, until the binding `forbidden` is gone. */
export async function forbid(
  { client, advance }: TestCluster,
  { operation, group, resource }: { operation: 'CREATE' | 'UPDATE' | 'DELETE'; group: string; resource: string },
): Promise<void> {
  const resourceRules = [{ apiGroups: [group], apiVersions: ['*'], operations: [operation], resources: [resource] }]
  const of = <K extends string>(kind: K) => ({ apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name: 'forbidden' } })
  await client.create(ValidatingAdmissionPolicy, {
    ...of('ValidatingAdmissionPolicy'),
    spec: { matchConstraints: { resourceRules }, validations: [{ expression: 'false' }] },
  })
  await client.create(ValidatingAdmissionPolicyBinding, {
    ...of('ValidatingAdmissionPolicyBinding'),
    spec: { policyName: 'forbidden', validationActions: ['Deny'] },
  })
  await advance(1000)
}

/** Makes new pods Running and Ready, unless they are named otherwise by the annotation `test/phase`; lets deleted ones go. */
function runPods(client: Client, informers: Informers, clock: VirtualClock): () => void {
  let address = 1
  const subscription = informers.of(Pod).subscribe(({ object: pod }) => {
    if (!pod) return
    if (pod.metadata?.deletionTimestamp) void client.delete(Pod, keyOf(pod), { gracePeriodSeconds: 0 }).catch(ignoreNotFound)
    else if ((pod.status?.phase ?? 'Pending') === 'Pending' && !pod.status?.podIP)
      void setPhase(client, pod, { address: address++, clock }).catch(ignoreNotFound)
  })
  return () => subscription[Symbol.dispose]()
}

async function setPhase(client: Client, pod: Pod, { address, clock }: { address: number; clock: VirtualClock }): Promise<void> {
  const phase = pod.metadata?.annotations?.['test/phase'] ?? 'Running'
  const now = formatTime(clock.now())
  const podIP = `10.244.0.${address}`
  const ready = phase === 'Running' ? 'True' : 'False'
  const status = { phase, podIP, podIPs: [{ ip: podIP }], conditions: [{ type: 'Ready', status: ready, lastTransitionTime: now }] }
  await client.patch(Pod, keyOf(pod), { type: 'merge', patch: { status } }, { subresource: 'status' })
}

export function namesOf(objects: readonly KubeObject[]): string[] {
  return objects.map(({ metadata }) => metadata?.name ?? '').sort()
}

/** After reads of what is to be gone: `client.get(…).then(() => false, gone)`. */
export const gone = (error: unknown): true | Promise<never> => hasReason(error, 'NotFound') || Promise.reject(error)
