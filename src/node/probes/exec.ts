// Exec probes: a command in the container that ends with exit code 0.
import type { ExecAction } from '#api/generated/types.ts'
import { type Runtime, RuntimeError } from '#node/runtime.ts'
import { bounded, type Outcome, type ProbeTarget } from './outcome.ts'

export async function execProbe(action: ExecAction, target: ProbeTarget, runtime: Pick<Runtime, 'execSync'>): Promise<Outcome> {
  const command = action.command ?? []
  try {
    const { exitCode, stdout, stderr } = await runtime.execSync(target.containerId, command, Math.ceil(target.timeoutMs / 1000))
    const output = bounded(`${stdout.toString()}${stderr.toString()}`)
    return { result: exitCode === 0 ? 'success' : 'failure', output }
  } catch (error) {
    if (error instanceof RuntimeError && error.reason === 'Timeout') {
      return {
        result: 'failure',
        output: `command timed out: "${command.join(' ')}" timed out after ${Math.ceil(target.timeoutMs / 1000)}s`,
      }
    }
    return { result: 'error', output: (error as Error).message }
  }
}
