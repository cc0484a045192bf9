// MutatingAdmissionPolicy: every policy a request concerns changes the object, one after the other, each through its bindings and their parameters.
import type { MutatingAdmissionPolicySpec } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { MutatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/mutating-admission-policy-binding.ts'
import { MutatingAdmissionPolicy } from '#api/kinds/admissionregistration/mutating-admission-policy.ts'
import type { KubeObject } from '#api/object.ts'
import { type CompiledMutatingPolicy, compileMutatingPolicy } from '#api/policies/compile.ts'
import { StatusError, type StatusReason } from '#api/status.ts'
import { Pace } from '#lib/paced.ts'
import { ASKED_PER_TURN } from '#server/admission/asked-per-turn.ts'
import { mustBeSeenAs, putBack } from '#server/admission/matching/equivalents.ts'
import { exemptFromPolicies } from '#server/admission/matching/exempt.ts'
import { surroundings } from '#server/admission/matching/selectors.ts'
import type { Matched } from '#server/admission/matching/match-index.ts'
import { denied } from '#server/admission/refusal.ts'
import { bodyKind } from '#server/engine/subresource.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer, ServerContext } from '#server/request.ts'
import { type Activation, activationOf } from './activation.ts'
import { Authorizations } from './authorizations.ts'
import { conditionsHold, Evaluation, OutOfBudget } from './evaluation.ts'
import { mutated, MutationError } from './mutation.ts'
import { collectParams, configured, resolveParamKind } from './params.ts'
import type { PolicyMetrics } from './policy-metrics.ts'
import { type ActivePolicy, PolicySource } from './policy-source.ts'

type Active = ActivePolicy<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, CompiledMutatingPolicy>

const NAME = 'MutatingAdmissionPolicy'

/** One policy through one binding with one set of parameters. */
interface Invocation {
  active: Active
  spec: MutatingAdmissionPolicySpec
  binding: MutatingAdmissionPolicyBinding
  params: KubeObject | undefined
  kind: Kind
}

interface Failure {
  active: Active
  binding?: MutatingAdmissionPolicyBinding
  message: string
  reason?: StatusReason
}

export function mutatingAdmissionPolicy(context: ServerContext, authorizer: Authorizer, metrics: PolicyMetrics): AdmissionPlugin {
  const source = new PolicySource(
    {
      policies: MutatingAdmissionPolicy,
      bindings: MutatingAdmissionPolicyBinding,
      compile: ({ spec }: MutatingAdmissionPolicy) => compileMutatingPolicy(spec ?? {}),
    },
    context,
  )
  return {
    name: NAME,
    admit(request) {
      if (!request.object || exemptFromPolicies(request)) return
      const matched = source.index().match(request)
      if (matched.length > 0) return new Mutating(context, request, { authorizer, metrics }).run(matched)
    },
  }
}

class Mutating {
  readonly #context: ServerContext
  readonly #request: AdmissionRequest
  readonly #metrics: PolicyMetrics
  readonly #authorizations: Authorizations
  readonly #failures: Failure[] = []

  constructor(
    context: ServerContext,
    request: AdmissionRequest,
    { authorizer, metrics }: { authorizer: Authorizer; metrics: PolicyMetrics },
  ) {
    this.#context = context
    this.#request = request
    this.#metrics = metrics
    this.#authorizations = new Authorizations(authorizer, request.attributes.user)
  }

  async run(matched: readonly Matched<Active>[]): Promise<void> {
    const round = this.#request.reinvocation?.of(NAME)
    round?.begin(this.#request.object)
    // Who is asked is settled before anybody changes anything.
    const invocations: Invocation[] = []
    const pace = new Pace(ASKED_PER_TURN)
    for (const one of matched) {
      invocations.push(...(await this.#invocations(one)))
      await pace.after(1)
    }
    for (const invocation of invocations) {
      const id = [invocation.active.policy, invocation.binding, invocation.params].map((one) => one?.metadata?.uid ?? '').join('/')
      if (round && !round.wants(id)) continue
      const changed = await this.#invoke(invocation)
      await pace.after(1)
      round?.done(id, { changed, ifNeeded: invocation.spec.reinvocationPolicy === 'IfNeeded' })
    }
    round?.end(this.#request.object)
    const failures = this.#failures.filter(({ active }) => active.policy.spec?.failurePolicy !== 'Ignore')
    if (failures.length > 0) throw refusal(this.#request, failures)
  }

  async #invocations({ item: active, kind }: Matched<Active>): Promise<Invocation[]> {
    const { spec = {} } = active.policy
    const paramKind = await this.#configured(() => resolveParamKind(this.#context, spec.paramKind), { active })
    if (!paramKind) return []
    const found: Invocation[] = []
    for (const { item: binding } of active.bindings.match(this.#request)) {
      const asked = { kind: paramKind.value, paramRef: binding.spec?.paramRef, namespace: this.#request.attributes.namespace }
      const params = await this.#configured(() => collectParams(this.#context, asked), { active, binding })
      for (const one of params?.value ?? []) found.push({ active, spec, binding, params: one, kind })
    }
    return found
  }

  #configured<T>(configure: () => T | Promise<T>, about: Pick<Failure, 'active' | 'binding'>): Promise<{ value: T } | undefined> {
    return configured(about.binding ? 'binding' : 'policy', configure, (message) => void this.#failures.push({ ...about, message }))
  }

  /** Whether the object is another afterwards. */
  async #invoke(invocation: Invocation): Promise<boolean> {
    const { active, binding, spec, kind } = invocation
    const started = this.#context.clock.now()
    const failed = this.#failures.length
    const compiled = await active.compiled()
    const { registry } = this.#context
    let view = await mustBeSeenAs(this.#request, kind, registry)
    const conditions = await this.#authorizations.settled(() =>
      conditionsHold(new Evaluation(this.#activation(invocation, view)), compiled.matchConditions),
    )
    if ('error' in conditions) {
      if (spec.failurePolicy !== 'Ignore') this.#failures.push({ active, binding, message: conditions.error, reason: 'Invalid' })
      return false
    }
    if (!conditions.holds) return false
    let changed = false
    for (const mutation of compiled.mutations) {
      try {
        const next = await this.#authorizations.settled(() => this.#mutate(invocation, { compiled, mutation, view }))
        if (!next) continue
        await putBack(this.#request, next, { kind, registry, owned: true })
        view = await mustBeSeenAs(this.#request, kind, registry)
        changed = true
      } catch (error) {
        if (!(error instanceof MutationError)) throw error
        this.#failures.push({ active, binding, message: error.message, reason: 'Invalid' })
      }
    }
    const seconds = Math.max(0, this.#context.clock.now() - started) / 1000
    const errorType = this.#failures.length > failed ? 'invalid_error' : 'no_error'
    this.#metrics.observe({ policy: active.name, binding: binding.metadata?.name ?? '', errorType, seconds })
    return changed
  }

  /** The object after one mutation; undefined where it stays as it is. Throws MutationError. */
  *#mutate(invocation: Invocation, { compiled, mutation, view }: Step): Generator<number, KubeObject | undefined> {
    const evaluation = new Evaluation(this.#activation(invocation, view), compiled.variables)
    try {
      const outcome = yield* evaluation.evaluate(mutation)
      if ('error' in outcome) throw new MutationError(outcome.error)
      const { object } = view
      const own = object!.kind === invocation.kind.kind ? invocation.kind : bodyKind(invocation.kind, this.#request.attributes.subresource)
      return yield* mutated({ object: object!, kind: own }, mutation.patchType, outcome.value)
    } catch (error) {
      if (error instanceof OutOfBudget) throw new MutationError(error.message)
      throw error
    }
  }

  /** Of the object as it is by now. */
  #activation({ kind, params }: Invocation, { object, oldObject }: Step['view']): Activation {
    const namespace = surroundings(this.#request, this.#context.reader)
    return activationOf({ request: this.#request, kind, object, oldObject, namespace, params, authorizations: this.#authorizations })
  }
}

interface Step {
  compiled: CompiledMutatingPolicy
  mutation: CompiledMutatingPolicy['mutations'][number]
  /** The request in the policy's version. */
  view: Pick<AdmissionRequest, 'object' | 'oldObject'>
}

/** The first failure is told; all are causes. */
function refusal(request: AdmissionRequest, failures: readonly Failure[]): StatusError {
  const text = ({ active, binding, message }: Failure) =>
    binding
      ? `policy '${active.name}' with binding '${binding.metadata?.name ?? ''}' denied request: ${message}`
      : `policy ${JSON.stringify(active.name)} denied request: ${message}`
  const [first] = failures
  const { details } = denied(request, '')
  return new StatusError(first!.reason ?? 'Forbidden', text(first!), {
    code: 403,
    details: { ...details, causes: failures.map((failure) => ({ message: text(failure) })) },
  })
}
