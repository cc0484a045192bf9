// matchConditions of one webhook: expressions that must all hold for it to be asked. Compiled when the first request meets them.
import { authorizerValue, requestResourceValue } from '#api/cel/authorizer-library.ts'
import { BOOL, type Budget, type CelProgram, compileCel } from '#api/cel/environment.ts'
import type { MatchCondition } from '#api/generated/types.ts'
import { policyEnvironment } from '#api/policies/environment.ts'
import { forbiddenError } from '#api/status.ts'
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
  match(admission: AdmissionRequest, variables: ConditionVariables, authorizer: Authorizer): boolean {
    const errors: string[] = []
    const budget: Budget = { remaining: BUDGET }
    const all = { ...variables, ...authorization(admission, authorizer) }
    for (const [index, { expression }] of this.#conditions.entries()) {
      try {
        this.#programs ??= this.#conditions.map((condition) => compile(condition.expression))
        if (this.#programs[index]!.evaluate(all, { budget }) === false) return false
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

/** Evaluation never waits: an authorizer that would have to is an error of the question. */
function authorization({ attributes }: AdmissionRequest, authorizer: Authorizer) {
  const authorize: Parameters<typeof authorizerValue>[0] = ({ serviceAccount, path = '', ...asked }) => {
    const user = serviceAccount
      ? {
          username: `system:serviceaccount:${serviceAccount.namespace}:${serviceAccount.name}`,
          groups: ['system:serviceaccounts', `system:serviceaccounts:${serviceAccount.namespace}`, 'system:authenticated'],
        }
      : attributes.user
    const blank = { group: '', version: '*', resource: '', subresource: '', namespace: '', name: '' }
    const decision = authorizer.authorize({ ...blank, ...asked, user, path, isResourceRequest: path === '' })
    return decision instanceof Promise ? { allowed: false, reason: '', error: 'the authorizer did not answer at once' } : decision
  }
  const { group, resource, subresource, namespace, name } = attributes
  const asked = { group, resource, ...(subresource ? { subresource } : {}), ...(namespace ? { namespace } : {}), ...(name ? { name } : {}) }
  return { authorizer: authorizerValue(authorize), 'authorizer.requestResource': requestResourceValue(authorize, asked) }
}
