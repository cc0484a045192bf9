// The simulated runtime keeps the same contract as the real one, which interop/ puts to the same questions.
import { systemClock } from '#lib/clock.ts'
import { type Behaviour, SimulatedRuntime } from '#node/simulated/runtime.ts'
import { runtimeContract } from './runtime-contract.ts'

const BEHAVIOURS: Record<string, Behaviour> = {
  'exit-3': { exitAfterMs: 1, exitCode: 3 },
  'missing-program': { startError: 'exec: "/no/such/program": no such file or directory' },
}

runtimeContract('simulated', async () => ({
  runtime: new SimulatedRuntime({
    clock: systemClock,
    behaviour: ({ name }) => BEHAVIOURS[name] ?? {},
    images: { here: ['busybox'], pullable: (reference) => !reference.startsWith('sampan.invalid/') },
  }),
  image: 'busybox',
  logDirectory: (pod) => `/nowhere/${pod}`,
  [Symbol.asyncDispose]: async () => {},
}))
