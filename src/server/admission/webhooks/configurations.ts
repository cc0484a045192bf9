// The webhooks of all configurations of one kind, in the order they are asked: by name of the configuration, then as listed.
// A configuration holds from the moment its write is answered: the list is made anew on the first request after a change.
import type { MatchCondition, MutatingWebhook, ValidatingWebhook } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { MatchIndex } from '#server/admission/matching/match-index.ts'
import type { AdmissionRequest, Authorizer, ServerContext } from '#server/request.ts'
import type { MatchConditions } from './match-conditions.ts'
import { requestOf, type View } from './review.ts'

export type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>

export interface Hook {
  /** Position among all. */
  order: number
  id: string
  configuration: string
  webhook: Webhook
  /** Expressions cost memory: whoever has none does not load them. */
  conditions: (() => Promise<MatchConditions>) | undefined
}

type Configuration = KubeObject & { webhooks?: Webhook[] }

export class WebhookConfigurations {
  readonly #context: ServerContext
  readonly #kind: Kind<any>
  #index: MatchIndex<Hook> | undefined
  #following = false

  constructor(context: ServerContext, kind: Kind<any>) {
    this.#context = context
    this.#kind = kind
  }

  index(): MatchIndex<Hook> {
    const { reader, registry } = this.#context
    if (!this.#following) {
      this.#following = true
      reader.onChange(this.#kind, () => void (this.#index = undefined))
    }
    this.#index ??= new MatchIndex(this.#hooks(), ({ webhook: { rules, ...rest } }) => ({ ...rest, resourceRules: rules }), {
      registry,
      reader,
    })
    return this.#index
  }

  #hooks(): Hook[] {
    const configurations = [...this.#context.reader.list<Configuration>(this.#kind)]
    const byName = configurations.toSorted((a, b) => (a.metadata!.name! < b.metadata!.name! ? -1 : 1))
    return byName
      .flatMap(({ metadata, webhooks = [] }) =>
        webhooks.map((webhook, index) => ({ configuration: metadata!.name!, webhook, id: `${metadata!.name}/${webhook.name}/${index}` })),
      )
      .map((hook, order) => {
        const { matchConditions, failurePolicy = 'Fail' } = hook.webhook
        return { ...hook, order, conditions: matchConditions?.length ? loadOnce(matchConditions, failurePolicy) : undefined }
      })
  }
}

function loadOnce(conditions: readonly MatchCondition[], failurePolicy: string): () => Promise<MatchConditions> {
  let loaded: Promise<MatchConditions> | undefined
  return () => (loaded ??= import('./match-conditions.ts').then((module) => new module.MatchConditions(conditions, failurePolicy)))
}

export interface ConditionCase {
  request: AdmissionRequest
  view: View
  authorizer: Authorizer
}

/** Throws where they cannot be told and the webhook insists. */
export async function conditionsHold({ conditions }: Hook, { request, view, authorizer }: ConditionCase): Promise<boolean> {
  if (!conditions) return true
  const { kind, object = null, oldObject = null } = view
  return (await conditions()).match(request, { object, oldObject, request: requestOf(request, kind) }, authorizer)
}
