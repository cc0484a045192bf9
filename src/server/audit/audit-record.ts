// What is recorded of one request on its way: filled in by whoever knows, told at each stage. Objects are copied as text when they pass: they may change later.
import type { KubeObject } from '#api/object.ts'
import { type Status, StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { Assumed } from '#server/access/impersonation.ts'
import { formatMicroTime } from '#lib/clock.ts'
import { byKey } from '#lib/order.ts'
import { textOf } from '#server/engine/text-of.ts'
import type { RequestAttributes } from '#server/request.ts'
import { type AuditDecision, type AuditLevel, type AuditStage, LEVELS } from './policy.ts'

export interface AuditSource {
  auditId: string
  requestUri: string
  sourceIPs: readonly string[]
  userAgent: string
}

/** One event on its way to a backend. */
export interface AuditEvent {
  /** JSON, without a line's end. */
  text: string
  /** The same without the objects, and saying so; absent: it has none. */
  truncated?(): string
}

/** Of one object or list: no backend takes an event that is larger. */
export const MOST_TEXT_BYTES = 24 * 1024 * 1024
const MAX_USER_AGENT = 1024
const TRUNCATED = 'audit.k8s.io/truncated'

export class AuditRecord {
  readonly decision: AuditDecision
  readonly annotations: ReadonlyMap<string, string>
  impersonated: Assumed | undefined
  /** Outcome; undefined until there is one. */
  status: Partial<Status> | undefined
  readonly #attributes: RequestAttributes
  readonly #source: AuditSource
  readonly #receivedMs: number
  #requestMeta: KubeObject['metadata']
  #request: string | undefined
  #response: string | undefined
  #leftOut = false

  constructor(
    decision: AuditDecision,
    about: { attributes: RequestAttributes; source: AuditSource; annotations: ReadonlyMap<string, string>; now: number },
  ) {
    this.decision = decision
    this.annotations = about.annotations
    this.#attributes = about.attributes
    this.#source = about.source
    this.#receivedMs = about.now
  }

  keeps(level: AuditLevel): boolean {
    return LEVELS.indexOf(this.decision.level) >= LEVELS.indexOf(level)
  }

  request(object: KubeObject): void {
    this.#requestMeta = { ...object.metadata }
    if (this.keeps('Request')) this.#request = JSON.stringify(this.#told(object))
  }

  patch(value: unknown): void {
    if (this.keeps('Request')) this.#request = JSON.stringify(value)
  }

  response(object: KubeObject): void {
    if (this.keeps('RequestResponse')) this.#response = JSON.stringify(this.#told(object))
  }

  /** The same of large objects, in slices. */
  async largeRequest(object: KubeObject): Promise<void> {
    this.#requestMeta = { ...object.metadata }
    if (this.keeps('Request')) this.#request = await this.#large(this.#told(object))
  }

  async largePatch(value: unknown): Promise<void> {
    if (this.keeps('Request')) this.#request = await this.#large(value)
  }

  async largeResponse(object: KubeObject): Promise<void> {
    if (this.keeps('RequestResponse')) this.#response = await this.#large(this.#told(object))
  }

  /** There is more than anybody would take. */
  leaveOut(): void {
    this.#leftOut = true
  }

  async #large(value: unknown): Promise<string | undefined> {
    try {
      return (await textOf(value, MOST_TEXT_BYTES)).toString()
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      this.leaveOut()
      return undefined
    }
  }

  /** An answer that is a Status says more than its code. */
  answered(answer: Status): void {
    const { status, message, reason, details, code } = answer
    this.status = {
      ...(status ? { status } : {}),
      ...(message ? { message } : {}),
      ...(reason ? { reason } : {}),
      ...(details ? { details } : {}),
      ...(code ? { code } : {}),
    }
    this.response(answer as unknown as KubeObject)
  }

  event(stage: AuditStage, now: number): AuditEvent {
    const response = stage === 'RequestReceived' ? undefined : this.#response
    const truncated = new Map([...this.annotations, [TRUNCATED, 'true']])
    const annotations = this.#leftOut ? truncated : this.annotations
    const text = this.#event(stage, { now, request: this.#request, response, annotations })
    if (!this.keeps('Request')) return { text }
    return { text, truncated: () => this.#event(stage, { now, annotations: truncated }) }
  }

  /** Fields in upstream's order. */
  #event(stage: AuditStage, { now, request, response, annotations }: EventParts): string {
    const { decision, status } = this
    const { auditId, requestUri, sourceIPs, userAgent } = this.#source
    const { verb, user } = this.#attributes
    const event = {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: decision.level,
      auditID: auditId,
      stage,
      requestURI: requestUri,
      verb,
      user: userOf(user),
      ...(this.impersonated ? { impersonatedUser: userOf(this.impersonated.user) } : {}),
      ...(this.impersonated?.constraint ? { authenticationMetadata: { impersonationConstraint: this.impersonated.constraint } } : {}),
      ...(sourceIPs.length > 0 ? { sourceIPs } : {}),
      ...(userAgent
        ? { userAgent: userAgent.length > MAX_USER_AGENT ? `${userAgent.slice(0, MAX_USER_AGENT)}...TRUNCATED` : userAgent }
        : {}),
      ...(this.#attributes.isResourceRequest ? { objectRef: this.#objectRef() } : {}),
      ...(status ? { responseStatus: { metadata: {}, ...status } } : {}),
    }
    const objects =
      (request === undefined ? '' : `,"requestObject":${request}`) + (response === undefined ? '' : `,"responseObject":${response}`)
    const end = {
      requestReceivedTimestamp: formatMicroTime(this.#receivedMs),
      stageTimestamp: formatMicroTime(now),
      ...(annotations.size > 0 ? { annotations: Object.fromEntries([...annotations].toSorted(byKey)) } : {}),
    }
    return `${JSON.stringify(event).slice(0, -1)}${objects},${JSON.stringify(end).slice(1)}`
  }

  #objectRef() {
    const { resource, namespace, name, group, version, subresource } = this.#attributes
    const meta = this.#requestMeta ?? {}
    const ref = {
      resource,
      namespace: namespace || meta.namespace,
      name: name || meta.name,
      uid: meta.uid,
      apiGroup: group,
      apiVersion: version,
      resourceVersion: meta.resourceVersion,
      subresource,
    }
    return Object.fromEntries(Object.entries(ref).filter(([, value]) => value))
  }

  #told(object: KubeObject): object {
    if (!this.decision.omitManagedFields) return object
    const { items, rows } = object as { items?: KubeObject[]; rows?: { object?: KubeObject }[] }
    if (items) return { ...object, items: items.map(withoutManagers) }
    if (object.kind !== 'Table' || !rows) return withoutManagers(object)
    const bare = rows.map((row) => (row.object ? { ...row, object: withoutManagers(row.object) } : row))
    return { ...object, rows: bare }
  }
}

interface EventParts {
  now: number
  request?: string | undefined
  response?: string | undefined
  annotations: ReadonlyMap<string, string>
}

function withoutManagers(object: KubeObject): KubeObject {
  if (!object.metadata?.managedFields) return object
  const { managedFields: _fields, ...metadata } = object.metadata
  return { ...object, metadata }
}

function userOf({ username, uid, groups, extra }: UserInfo) {
  return {
    ...(username ? { username } : {}),
    ...(uid ? { uid } : {}),
    ...(groups.length > 0 ? { groups } : {}),
    ...(extra && Object.keys(extra).length > 0 ? { extra } : {}),
  }
}
