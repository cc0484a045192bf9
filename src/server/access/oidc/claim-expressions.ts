// The expressions of an AuthenticationConfiguration: over the claims of a token, and over the user made of them.
import { definition } from '#api/definitions.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import type { CelProgram } from '#api/cel/environment.ts'

export interface ClaimExpressions {
  /** Claims to a value of any type. */
  mapping(expression: string, field: string): CelProgram | undefined
  /** Claims to yes or no. */
  rule(expression: string, field: string): CelProgram | undefined
  /** The user to yes or no. */
  ofUser(expression: string, field: string): CelProgram | undefined
  /** Whether it reads that claim by name. */
  uses(program: CelProgram, claim: string): boolean
}

/** Loaded only when somebody configures issuers. Mistakes are added to `errors`. */
export async function claimExpressions(errors: FieldError[]): Promise<ClaimExpressions> {
  const { BOOL, celEnvironment, CelError, compileCel, DYN, mapOf, STRING } = await import('#api/cel/environment.ts')
  const { schemaType } = await import('#api/cel/object-types.ts')
  const ofClaims = celEnvironment({ variables: { claims: mapOf(STRING, DYN) } })
  const ofUsers = celEnvironment({ variables: { user: schemaType(definition('io.k8s.api.authentication.v1.UserInfo')) } })
  const compile = (
    expression: string,
    { field, environment, expects }: { field: string; environment: typeof ofClaims; expects: boolean },
  ) => {
    try {
      return compileCel(expression, environment, expects ? { expects: [BOOL] } : {})
    } catch (error) {
      if (!(error instanceof CelError)) throw error
      errors.push(invalid(field, expression, error.message))
      return undefined
    }
  }
  return {
    mapping: (expression, field) => compile(expression, { field, environment: ofClaims, expects: false }),
    rule: (expression, field) => compile(expression, { field, environment: ofClaims, expects: true }),
    ofUser: (expression, field) => compile(expression, { field, environment: ofUsers, expects: true }),
    uses: ({ program }, claim) => reads(program.expr, claim),
  }
}

interface Node {
  kind?: string
  name?: string
  field?: string
  operand?: Node
  args?: Node[]
  value?: unknown
}

/** Any part of the tree that selects the claim, optionally or not, whatever the tree is made of. */
function reads(node: unknown, claim: string): boolean {
  if (typeof node !== 'object' || node === null) return false
  const { kind, field, operand, name, args } = node as Node
  if (kind === 'select' && field === claim && operand?.name === 'claims') return true
  if (kind === 'call' && name === '_?._' && args?.[0]?.name === 'claims' && args[1]?.value === claim) return true
  return Object.values(node).some((part) => reads(part, claim))
}
