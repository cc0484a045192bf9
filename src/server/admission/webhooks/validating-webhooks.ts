// ValidatingAdmissionWebhook: all webhooks at once, on the object as it is going to be. One refusal is enough.
import { ValidatingWebhookConfiguration } from '#api/kinds/admissionregistration/validating-webhook-configuration.ts'
import { Pace } from '#lib/paced.ts'
import { ASKED_PER_TURN } from '#server/admission/asked-per-turn.ts'
import { exemptFromWebhooks } from '#server/admission/matching/exempt.ts'
import type { Matched } from '#server/admission/matching/match-index.ts'
import type { Registry } from '#server/registry.ts'
import { internalError } from '#server/admission/refusal.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer } from '#server/request.ts'
import { conditionsHold, type Hook, WebhookConfigurations } from './configurations.ts'
import { viewOf } from './view.ts'
import { type Asking, askCounted, FailedCall, type WebhookContext } from './webhook-call.ts'

export function validatingWebhooks(context: WebhookContext, authorizer: Authorizer): AdmissionPlugin {
  const configurations = new WebhookConfigurations(context, ValidatingWebhookConfiguration)
  return {
    name: 'ValidatingAdmissionWebhook',
    validate(request) {
      if (exemptFromWebhooks(request)) return
      const matched = configurations.index().match(request)
      if (matched.length > 0) return validate(context, request, { matched, authorizer })
    },
  }
}

interface Relevant {
  hook: Hook
  asking: Asking
}

async function relevant(
  request: AdmissionRequest,
  { item: hook, kind }: Matched<Hook>,
  { authorizer, registry }: { authorizer: Authorizer; registry: Registry },
): Promise<Relevant[]> {
  const view = await viewOf(request, kind, registry)
  return (await conditionsHold(hook, { request, view, authorizer })) ? [{ hook, asking: { type: 'validating', request, view } }] : []
}

/** All are waited for; the first in their order that refuses gives the answer. */
async function validate(
  context: WebhookContext,
  request: AdmissionRequest,
  { matched, authorizer }: { matched: readonly Matched<Hook>[]; authorizer: Authorizer },
): Promise<void> {
  const hooks: Relevant[] = []
  const pace = new Pace(ASKED_PER_TURN)
  for (const one of matched) {
    hooks.push(...(await relevant(request, one, { authorizer, registry: context.registry })))
    await pace.after(1)
  }
  const began = context.clock.monotonic()
  const outcomes = await Promise.allSettled(hooks.map(({ hook, asking }) => askCounted(context, hook, asking)))
  request.within?.waited?.(context.clock.monotonic() - began)
  let refusal: unknown
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') continue
    const { order, webhook } = hooks[index]!.hook
    const error: unknown = outcome.reason
    if (!(error instanceof FailedCall)) refusal ??= error
    else if (webhook.failurePolicy !== 'Ignore') refusal ??= internalError(error)
    else {
      context.log.warn('webhook failed and is ignored', { webhook: webhook.name, error })
      request.annotate?.(`failed-open.validating.webhook.admission.k8s.io/round_0_index_${order}`, webhook.name)
    }
  }
  if (refusal !== undefined) throw refusal
}
