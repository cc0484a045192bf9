// How much room V8 has for what is soon thrown away. While a cluster starts it stays as small as it begins, since what the start leaves behind would
// make it grow for nothing; afterwards it grows under load only, where fewer collections save a fifth of the work, and V8 shrinks it at rest.
// The bounds of both are flags of the process (see the launcher): they cannot change once it runs.
import { setFlagsFromString } from 'node:v8'

export function holdYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

export function letYoungGenerationGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2')
}
