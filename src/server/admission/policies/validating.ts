// ValidatingAdmissionPolicy: asks every policy a request concerns through each of its bindings, then refuses, warns and annotates as the bindings say.
import type { Kind } from '#api/kind.ts'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import { ValidatingAdmissionPolicy } from '#api/kinds/admissionregistration/validating-admission-policy.ts'
import { type CompiledValidatingPolicy, compileValidatingPolicy } from '#api/policies/compile.ts'
import { StatusError, type StatusReason } from '#api/status.ts'
import { Pace } from '#lib/paced.ts'
import { ASKED_PER_TURN } from '#server/admission/asked-per-turn.ts'
import { seenAs } from '#server/admission/matching/equivalents.ts'
import { exemptFromPolicies } from '#server/admission/matching/exempt.ts'
import { surroundings } from '#server/admission/matching/selectors.ts'
import type { Matched } from '#server/admission/matching/match-index.ts'
import { denied } from '#server/admission/refusal.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer, ServerContext } from '#server/request.ts'
import { activationOf } from './activation.ts'
import { Authorizations } from './authorizations.ts'
import { AuditAnnotations } from './audit-annotations.ts'
import { collectParams, configured, Misconfigured, resolveParamKind } from './params.ts'
import { type ActivePolicy, PolicySource } from './policy-source.ts'
import type { PolicyMetrics } from './policy-metrics.ts'
import { judge, type Judgement, type Verdict } from './validator.ts'

type Active = ActivePolicy<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, CompiledValidatingPolicy>

interface Denial {
  policy: string
  binding?: string
  message: string
  reason?: string | undefined
}

export function validatingAdmissionPolicy(context: ServerContext, authorizer: Authorizer, metrics: PolicyMetrics): AdmissionPlugin {
  const source = new PolicySource(
    {
      policies: ValidatingAdmissionPolicy,
      bindings: ValidatingAdmissionPolicyBinding,
      compile: ({ spec }: ValidatingAdmissionPolicy) => compileValidatingPolicy(spec ?? {}),
    },
    context,
  )
  return {
    name: 'ValidatingAdmissionPolicy',
    validate(request) {
      if (exemptFromPolicies(request)) return
      const matched = source.index().match(request)
      if (matched.length > 0) return new Validation(context, request, { authorizer, metrics }).run(matched)
    },
  }
}

class Validation {
  readonly #context: ServerContext
  readonly #request: AdmissionRequest
  readonly #metrics: PolicyMetrics
  readonly #authorizations: Authorizations
  readonly #denials: Denial[] = []

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
    const pace = new Pace(ASKED_PER_TURN)
    for (const one of matched) {
      await this.#ask(one)
      await pace.after(1)
    }
    const [first] = this.#denials
    if (first) throw refusal(this.#request, first)
  }

  async #ask({ item: active, kind }: Matched<Active>): Promise<void> {
    const published = new AuditAnnotations()
    const { spec = {} } = active.policy
    const { failurePolicy } = spec
    const paramKind = await this.#configured(() => resolveParamKind(this.#context, spec.paramKind), { policy: active.name, failurePolicy })
    if (!paramKind) return
    for (const { item: binding } of active.bindings.match(this.#request)) {
      const name = binding.metadata?.name ?? ''
      const { namespace } = this.#request.attributes
      const about = { policy: active.name, binding: name, failurePolicy }
      const params = await this.#configured(
        () => collectParams(this.#context, { kind: paramKind.value, paramRef: binding.spec?.paramRef, namespace }),
        about,
      )
      if (!params) continue
      const seen = await this.#configured(() => this.#seenAs(kind), about)
      if (!seen) continue
      const view = seen.value
      for (const param of params.value) {
        const started = this.#context.clock.now()
        const compiled = await active.compiled()
        const judgement = await this.#authorizations.settled(() => {
          const namespace = surroundings(this.#request, this.#context.reader)
          const about = { request: this.#request, kind, namespace, params: param, authorizations: this.#authorizations }
          return judge(spec, compiled, activationOf({ ...about, object: view.object, oldObject: view.oldObject }))
        })
        const seconds = Math.max(0, this.#context.clock.now() - started) / 1000
        this.#take(judgement, { policy: active.name, binding, published, seconds })
      }
    }
    for (const [key, value] of published.texts()) this.#request.annotate?.(`${active.name}/${key}`, value)
  }

  /** Throws Misconfigured where whoever should convert does not. */
  async #seenAs(kind: Kind) {
    try {
      return await seenAs(this.#request, kind, this.#context.registry)
    } catch (error) {
      throw new Misconfigured(`failed to convert object version: ${(error as Error).message}`)
    }
  }

  /** What cannot be configured refuses the request, unless that is to be ignored. */
  #configured<T>(configure: () => T | Promise<T>, { failurePolicy, ...about }: Configuring): Promise<{ value: T } | undefined> {
    return configured(about.binding === undefined ? 'policy' : 'binding', configure, (message) => {
      if (failurePolicy !== 'Ignore') this.#denials.push({ ...about, message })
    })
  }

  #take({ verdicts, annotations }: Judgement, about: About): void {
    const { policy, binding, seconds } = about
    const name = binding.metadata?.name ?? ''
    for (const verdict of verdicts) {
      if (!verdict.admitted) this.#enforce(verdict, about)
      else if (verdict.errorType) this.#metrics.observe({ policy, binding: name, errorType: verdict.errorType, action: 'allow', seconds })
    }
    for (const annotation of annotations) {
      if ('value' in annotation) about.published.add(annotation.key, annotation.value)
      else {
        this.#denials.push({ policy, binding: name, message: annotation.error })
        this.#metrics.observe({ policy, binding: name, errorType: 'invalid_error', action: 'deny', seconds })
      }
    }
  }

  #enforce(verdict: Verdict, { policy, binding, seconds }: About): void {
    const name = binding.metadata?.name ?? ''
    const { message, reason, errorType = 'no_error' } = verdict
    for (const action of binding.spec?.validationActions ?? []) {
      const observe = (done: 'deny' | 'audit' | 'warn') =>
        this.#metrics.observe({ policy, binding: name, errorType, action: done, seconds })
      if (action === 'Deny') {
        this.#denials.push({ policy, binding: name, message, reason })
        observe('deny')
      } else if (action === 'Audit') {
        this.#annotateFailure(verdict, { policy, binding })
        observe('audit')
      } else if (action === 'Warn') {
        this.#request.warn(`Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${name}': ${message}`)
        observe('warn')
      }
    }
  }

  #annotateFailure({ message, index }: Verdict, { policy, binding }: Pick<About, 'policy' | 'binding'>): void {
    const failure = {
      message,
      policy,
      binding: binding.metadata?.name ?? '',
      expressionIndex: index,
      validationActions: binding.spec?.validationActions ?? [],
    }
    this.#request.annotate?.('validation.policy.admission.k8s.io/validation_failure', JSON.stringify([failure]))
  }
}

interface Configuring {
  policy: string
  binding?: string
  failurePolicy: string | undefined
}

interface About {
  policy: string
  binding: ValidatingAdmissionPolicyBinding
  published: AuditAnnotations
  seconds: number
}

const CODES: Readonly<Record<string, number>> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413, Invalid: 422 }

/** Reads as forbidden whatever its reason, as upstream's does. */
function refusal(request: AdmissionRequest, { policy, binding, message, reason = 'Invalid' }: Denial): StatusError {
  const through = binding === undefined ? '' : ` with binding '${binding}'`
  const text = `ValidatingAdmissionPolicy '${policy}'${through} denied request: ${message}`
  const forbidden = denied(request, text)
  return new StatusError(reason as StatusReason, forbidden.message, {
    code: CODES[reason] ?? 422,
    details: { ...forbidden.details, causes: [{ message: text }] },
  })
}
