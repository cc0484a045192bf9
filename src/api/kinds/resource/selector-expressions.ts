// Whether the CEL of selectors compiles: asked when it is new, since it takes what loads long and runs long.
import { type FieldError, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { nextTurn } from '#lib/paced.ts'

interface Placed {
  selectors: types.DeviceSelector[] | undefined
  path: string
}

export function* selectorsOf(spec: types.ResourceClaimSpec | undefined, path: string): Generator<Placed> {
  for (const [index, { exactly, firstAvailable }] of (spec?.devices?.requests ?? []).entries()) {
    const at = `${path}.devices.requests[${index}]`
    yield { selectors: exactly?.selectors, path: `${at}.exactly.selectors` }
    for (const [place, { selectors }] of (firstAvailable ?? []).entries())
      yield { selectors, path: `${at}.firstAvailable[${place}].selectors` }
  }
}

export async function validateExpressions(placed: Iterable<Placed>, told: readonly FieldError[]): Promise<FieldError[]> {
  const errors: FieldError[] = []
  for (const { selectors, path } of placed)
    for (const [index, { cel }] of (selectors ?? []).entries()) {
      const at = `${path}[${index}].cel.expression`
      if (!cel || told.some(({ field }) => field === at || field === path)) continue
      const problem = await problemWith(cel.expression ?? '')
      if (problem) errors.push(invalid(at, cel.expression ?? '', problem))
      await nextTurn()
    }
  return errors
}

async function problemWith(expression: string): Promise<string | undefined> {
  const { BOOL, CelError, celEnvironment, compileCel } = await import('#api/cel/environment.ts')
  const { DEVICE } = await import('#api/cel/device.ts')
  try {
    compileCel(expression, celEnvironment({ variables: { device: DEVICE }, bindings: true }), { expects: [BOOL] })
    return undefined
  } catch (error) {
    if (error instanceof CelError) return error.message
    throw error
  }
}
