// matchConditions of one webhook: expressions that must all hold for it to be asked. Compiled when the first request meets them.
import { authorizerValue, requestResourceValue } from '#api/cel/authorizer-library.ts'
import { BOOL, type Budget, type CelProgram, compileCel } from '#api/cel/environment.ts'
import type { MatchCondition } from '#api/generated/types.ts'
import { policyEnvironment } from '#api/policies/environment.ts'
import { forbiddenError } from '#api/status.ts'
import { Authorizations } from '#server/admission/policies/authorizations.ts'
import type { AdmissionRequest, Authorizer } from '#server/request.ts'

/** What the conditions of one webhook may cost together. */
const BUDGET = 2_500_000

export interface ConditionVariables {
  object: unknown
  oldObject: unknown
  request: unknown
}

export class MatchConditions {
  readonly #conditions: readonly MatchCondition[]
  readonly #failurePolicy: string
  #programs: CelProgram[] | undefined

  constructor(conditions: readonly MatchCondition[], failurePolicy: string) {
    this.#conditions = conditions
    this.#failurePolicy = failurePolicy
  }

  /** Whether the webhook is to be asked. A condition that is false decides, whatever errors the others had. */
  async match(admission: AdmissionRequest, variables: ConditionVariables, authorizer: Authorizer): Promise<boolean> {
    const errors: string[] = []
    const budget: Budget = { remaining: BUDGET }
    const authorizations = new Authorizations(authorizer, admission.attributes.user)
    const all = { ...variables, ...authorization(admission, authorizations) }
    for (const [index, { expression }] of this.#conditions.entries()) {
      try {
        this.#programs ??= this.#conditions.map((condition) => compile(condition.expression))
        const program = this.#programs[index]!
        const { remaining } = budget
        const holds = await authorizations.settled(function* () {
          // Begun anew after an authorizer was waited for, it costs what it costs once.
          budget.remaining = remaining
          const value = program.evaluate(all, { budget })
          yield remaining - budget.remaining
          return value
        })
        if (holds === false) return false
      } catch (error) {
        errors.push(`expression '${expression}' resulted in error: ${(error as Error).message}`)
        if (!this.#programs) break
      }
    }
    if (errors.length === 0) return true
    if (this.#failurePolicy === 'Ignore') return false
    const { group, resource, name } = admission.attributes
    throw forbiddenError({ group, plural: resource }, name, errors.length > 1 ? `[${errors.join(', ')}]` : errors[0]!)
  }
}

const compile = (expression: string): CelProgram =>
  compileCel(expression, policyEnvironment({ hasParams: false, hasAuthorizer: true }), { expects: [BOOL] })

function authorization({ attributes }: AdmissionRequest, { authorize }: Authorizations) {
  const { group, resource, subresource, namespace, name } = attributes
  const asked = { group, resource, ...(subresource ? { subresource } : {}), ...(namespace ? { namespace } : {}), ...(name ? { name } : {}) }
  return { authorizer: authorizerValue(authorize), 'authorizer.requestResource': requestResourceValue(authorize, asked) }
}
