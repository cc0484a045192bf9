// Ends every pod a runtime holds: SIGTERM, a short grace, SIGKILL, then sandboxes with their network. Records of ended containers stay, as
// after a reboot, so that the next start knows their exit codes; the pods' cgroups go.
import { createCgroups } from '#node/cgroups.ts'
import type { Runtime } from '#node/runtime.ts'

const AT_ONCE = 8

export async function stopAllPods(runtime: Runtime, { graceSeconds }: { graceSeconds: number }): Promise<void> {
  const running = (await runtime.listContainers()).filter(({ state }) => state === 'running')
  // All at once: they wait for the same grace.
  await Promise.allSettled(running.map(({ id }) => runtime.stopContainer(id, graceSeconds)))
  const sandboxes = await runtime.listSandboxes()
  const ready = sandboxes.filter((sandbox) => sandbox.ready).values()
  const failures: unknown[] = []
  const worker = async () => {
    for (const { id } of ready) await runtime.stopPodSandbox(id).catch((error: unknown) => failures.push(error))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  await removeCgroups(new Set(sandboxes.map(({ uid }) => `pod${uid}`)))
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} pod sandboxes could not be stopped`)
}

async function removeCgroups(names: ReadonlySet<string>): Promise<void> {
  const cgroups = createCgroups()
  for (const path of await cgroups.pods()) if (names.has(path.slice(path.lastIndexOf('/') + 1))) await cgroups.removePod(path)
}
