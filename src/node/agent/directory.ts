// What the node's HTTP API may ask: where a container's log is, which instance of it is meant, which sandbox is a pod's.
import { join } from 'node:path'
import type { Pod } from '#api/generated/types.ts'
import type { PodDirectory } from '#node/runtime.ts'
import type { AgentContext } from './context.ts'
import { containersOf, identityOf, LABEL, podLogDirectory } from './identity.ts'
import { ipsOf } from './sync-pod.ts'

export interface DirectoryOptions {
  context: AgentContext
  pod(namespace: string, name: string): Pod | undefined
  all(): Pod[]
}

export function podDirectory({ context, pod: find, all }: DirectoryOptions): PodDirectory {
  return {
    container(namespace, name, containerName, { previous = false, uid } = {}) {
      const pod = find(namespace, name)
      if (!pod || (uid && pod.metadata?.uid !== uid)) return undefined
      const spec = containersOf(pod).find((one) => one.spec.name === containerName)?.spec
      if (!spec) return undefined
      const instances = context.view
        .pod(pod.metadata?.uid ?? '')
        .containers.filter(({ labels }) => labels[LABEL.container] === containerName)
      // `previous` is the last one that has ended, not counting the one shown as current.
      const chosen = previous ? instances.slice(1).find(({ state }) => state === 'exited') : instances[0]
      if (!chosen) return undefined
      const directory = podLogDirectory(context.logDirectory, identityOf(pod))
      return {
        containerId: chosen.id,
        logPath: join(directory, containerName, `${chosen.attempt}.log`),
        state: chosen.state,
        tty: spec.tty ?? false,
        stdin: spec.stdin ?? false,
      }
    },
    sandbox(namespace, name) {
      const pod = find(namespace, name)
      const sandbox = pod && context.view.pod(pod.metadata?.uid ?? '').sandboxes.find(({ ready }) => ready)
      return sandbox && { sandboxId: sandbox.id, ip: ipsOf(pod, sandbox.ips, context)[0] ?? '' }
    },
    pods: () => all(),
  }
}
