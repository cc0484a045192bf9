// Ends every pod a runtime holds: SIGTERM, a short grace, SIGKILL, then sandboxes with their network. Records of ended containers stay, as
// after a reboot, so that the next start knows their exit codes.
import type { Runtime } from '#node/runtime.ts'

const AT_ONCE = 8

export async function stopAllPods(runtime: Runtime, { graceSeconds }: { graceSeconds: number }): Promise<void> {
  const running = (await runtime.listContainers()).filter(({ state }) => state === 'running')
  // All at once: they wait for the same grace.
  await Promise.allSettled(running.map(({ id }) => runtime.stopContainer(id, graceSeconds)))
  const sandboxes = (await runtime.listSandboxes()).filter(({ ready }) => ready).values()
  const failures: unknown[] = []
  const worker = async () => {
    for (const { id } of sandboxes) await runtime.stopPodSandbox(id).catch((error: unknown) => failures.push(error))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} pod sandboxes could not be stopped`)
}
