// MutatingAdmissionWebhook: one webhook after the other, each seeing what those before it made of the object.
import { equal } from '#api/equal.ts'
import { MutatingWebhookConfiguration } from '#api/kinds/admissionregistration/mutating-webhook-configuration.ts'
import { jsonPatch } from '#api/patch/json-patch.ts'
import { StatusError } from '#api/status.ts'
import { parseExactly } from '#lib/exact-json.ts'
import { nextTurn, Pace } from '#lib/paced.ts'
import { ASKED_PER_TURN } from '#server/admission/asked-per-turn.ts'
import { LARGE_BYTES } from '#server/decoding/body-reader.ts'
import { exemptFromWebhooks } from '#server/admission/matching/exempt.ts'
import type { Matched, MatchIndex } from '#server/admission/matching/match-index.ts'
import { internalError } from '#server/admission/refusal.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer } from '#server/request.ts'
import { conditionsHold, type Hook, WebhookConfigurations } from './configurations.ts'
import type { ReviewAnswer, View } from './review.ts'
import { adopt, viewOf } from './view.ts'
import { askCounted, FailedCall, type WebhookContext } from './webhook-call.ts'

const NAME = 'MutatingAdmissionWebhook'
const MUTATION = 'mutation.webhook.admission.k8s.io'
const PATCH = 'patch.webhook.admission.k8s.io'

export function mutatingWebhooks(context: WebhookContext, authorizer: Authorizer): AdmissionPlugin {
  const configurations = new WebhookConfigurations(context, MutatingWebhookConfiguration)
  return {
    name: NAME,
    admit(request) {
      if (exemptFromWebhooks(request)) return
      const index = configurations.index()
      const matched = index.match(request)
      if (matched.length > 0) return mutate({ context, authorizer, index }, request, matched)
    },
  }
}

interface Mutation {
  context: WebhookContext
  authorizer: Authorizer
  index: MatchIndex<Hook>
}

async function mutate({ context, authorizer, index }: Mutation, request: AdmissionRequest, first: Matched<Hook>[]): Promise<void> {
  const rounds = request.reinvocation?.of(NAME)
  rounds?.begin(request.object)
  const round = request.reinvocation?.again ? 1 : 0
  const pace = new Pace(ASKED_PER_TURN)
  let waiting = first
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const { item: hook, kind } = next
    if (rounds && !rounds.wants(hook.id)) continue
    await pace.after(1)
    const view = await viewOf(request, kind, context.registry)
    if (!(await conditionsHold(hook, { request, view, authorizer }))) continue
    const changed = await ask(context, hook, { request, view, place: `round_${round}_index_${hook.order}` })
    rounds?.done(hook.id, { changed, ifNeeded: hook.webhook.reinvocationPolicy === 'IfNeeded' })
    // Labels may be others now, and with them who is to be asked.
    if (changed) waiting = index.match(request).filter(({ item }) => item.order > hook.order)
  }
  rounds?.end(request.object)
}

interface Step {
  request: AdmissionRequest
  view: View
  /** Of audit annotations. */
  place: string
}

async function ask(context: WebhookContext, hook: Hook, { request, view, place }: Step): Promise<boolean> {
  const { name, failurePolicy } = hook.webhook
  let answer: ReviewAnswer
  try {
    answer = await askCounted(context, hook, { type: 'admit', request, view })
    if (answer.patch && answer.patchType !== 'JSONPatch')
      throw new FailedCall(name, `unsupported patch type ${JSON.stringify(answer.patchType)}`)
  } catch (error) {
    if (!(error instanceof FailedCall)) throw error
    if (failurePolicy !== 'Ignore') throw internalError(error)
    context.log.warn('webhook failed and is ignored', { webhook: name, error })
    request.annotate?.(`failed-open.${MUTATION}/${place}`, name)
    return false
  }
  const changed = answer.patch !== undefined && (await apply(request, hook, { view, place, patch: answer.patch, context }))
  request.annotate?.(`${MUTATION}/${place}`, JSON.stringify({ configuration: hook.configuration, webhook: name, mutated: changed }))
  return changed
}

/** Whether it changed anything. */
async function apply(
  request: AdmissionRequest,
  { webhook, configuration }: Hook,
  { view, place, patch, context: { outgoing, registry } }: { view: View; place: string; patch: Buffer; context: WebhookContext },
): Promise<boolean> {
  try {
    const operations = await outgoing.parse(patch)
    const large = patch.length >= LARGE_BYTES
    if (Array.isArray(operations) && operations.length === 0) return false
    if (!view.object)
      throw new Error(
        `admission webhook ${JSON.stringify(webhook.name)} attempted to modify the object, which is not supported for this operation`,
      )
    if (large) await nextTurn()
    const patched = jsonPatch(view.object, operations, { owned: true })
    if (large) await nextTurn()
    const changed = !equal(patched, view.object)
    if (changed) await adopt(request, { view, patched, registry, ...(large && outgoing.bodies ? { apart: outgoing.bodies } : {}) })
    if (large) await nextTurn()
    const told = () =>
      JSON.stringify({ configuration, webhook: webhook.name, patch: parseExactly(patch.toString('utf8')), patchType: 'JSONPatch' })
    request.annotate?.(`${PATCH}/${place}`, told, 'Request')
    return changed
  } catch (error) {
    if (error instanceof StatusError && error.reason === 'BadRequest' && !(error.cause ?? undefined) && /namespace/.test(error.message))
      throw error
    throw internalError(error instanceof StatusError && typeof error.cause === 'string' ? new Error(error.cause) : (error as Error))
  }
}
