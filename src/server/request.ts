// What the links of the handler chain hand each other: who asks, what for, and the small interfaces of those who decide.
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import type { Status } from '#api/status.ts'
import type { Client, UserInfo } from '#client/client.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { AuditLevel } from './audit/policy.ts'
import type { Reinvocation } from './admission/reinvocation.ts'
import type { Endpoint } from './endpoints/endpoint.ts'
import type { MetricSource } from '#lib/metric-family.ts'
import type { Outgoing } from './outgoing/outgoing.ts'
import type { Registry } from './registry.ts'

/** What a request is about, as authorisation and admission see it. */
export interface RequestAttributes {
  user: UserInfo
  /** get list watch create update patch delete deletecollection; for non-resource requests the lower-case HTTP method. */
  verb: string
  /** False: `path` is all there is (/healthz, /openapi/v3 ...). */
  isResourceRequest: boolean
  path: string
  group: string
  version: string
  resource: string
  subresource: string
  namespace: string
  name: string
  labelSelector?: string
  fieldSelector?: string
}

export interface AuthenticationRequest {
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** The verified client certificate's subject, if one was presented. */
  certificate?: { commonName: string; organizations: string[]; fingerprint: string; notAfter: number }
  /** Tells whoever asks. */
  warn?(text: string): void
  /** Adds to the request's audit event. */
  annotate?(key: string, value: string): void
}

export interface Authenticator {
  /** undefined: not mine, ask the next. A promise only where one has to wait. Throws StatusError Unauthorized: mine, and bad. */
  authenticate(request: AuthenticationRequest): UserInfo | undefined | Promise<UserInfo | undefined>
}

export interface Decision {
  allowed: boolean
  /** No later authorizer is asked. */
  denied?: boolean
  reason: string
  /** What went wrong while deciding. A request that nobody allows then fails instead of being forbidden. */
  error?: string
}

export interface Authorizer {
  /** A promise only where someone outside decides: rules held in memory answer at once. */
  authorize(attributes: RequestAttributes): Decision | Promise<Decision>
  /** For SelfSubjectRulesReview. */
  rulesFor?(user: UserInfo, namespace: string): RuleList
}

/** An authorizer that never has to wait. */
export interface LocalAuthorizer extends Authorizer {
  authorize(attributes: RequestAttributes): Decision
}

export interface RuleList {
  resourceRules: unknown[]
  nonResourceRules: unknown[]
  incomplete: boolean
  error?: string
}

export interface AdmissionRequest {
  attributes: RequestAttributes
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  kind: Kind
  /** Mutating plugins change it in place. Absent on delete. */
  object?: KubeObject
  oldObject?: KubeObject
  dryRun: boolean
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions, as the client meant them. */
  options?: Readonly<Record<string, unknown>>
  /** Who is asked again after a change; only while the object may be changed. */
  reinvocation?: Reinvocation
  /** How long whoever asked waits; absent: nobody knows. */
  within?: Within
  warn(text: string): void
  /** Adds to the request's audit event. The key is qualified (`validation.policy.admission.k8s.io/...`); the last value counts. */
  annotate?: Annotate
}

/** What bounds all that is asked of strangers for one request. */
export interface Within {
  /** Aborted when the client has left. */
  readonly signal?: AbortSignal
  remainingMs(): number
  /** Told of time that strangers took, not this server. */
  waited?(milliseconds: number): void
}

/** `level`: only events that hold at least that much say it; any event unless given. A value that takes its time is made where it is kept. */
export type Annotate = (key: string, value: string | (() => string), level?: AuditLevel) => void

/** One admission plugin. All `admit`s run in order, then all `validate`s. Both refuse by throwing StatusError. */
export interface AdmissionPlugin {
  name: string
  /** Resources and subresources that concern it, as `target` names them; all unless given. */
  of?: readonly string[]
  admit?(request: AdmissionRequest): Promise<void> | void
  validate?(request: AdmissionRequest): Promise<void> | void
}

/** Read where it is asked for, and only then. */
export interface ObjectChange<T> {
  readonly object?: T | undefined
  readonly previous?: T | undefined
}

export interface ChangeOptions {
  /** Nothing is kept of what is told: it is lent, and not made to be shared. */
  glance?: boolean
}

/** Synchronous reads of what the server holds in memory: frozen, parsed on demand. For authorisers, admission and allocators. */
export interface ObjectReader {
  get<T extends KubeObject>(kind: Kind<T>, key: { namespace?: string; name: string }): T | undefined
  /** Read one by one as they are asked for: those of the moment when the first one was. */
  list<T extends KubeObject>(kind: Kind<T>, namespace?: string, options?: ChangeOptions): Iterable<T>
  /** Resolves once everything acknowledged so far is here, whichever server was told; undefined where it is, or where nobody else writes. */
  fresh?(): Promise<void> | undefined
  /** Called for every change of that kind from now on. */
  onChange<T extends KubeObject>(kind: Kind<T>, handler: (change: ObjectChange<T>) => void, options?: ChangeOptions): Disposable
}

/** Writes with the server's own authority: no authorisation, no admission; validation and the rules of storage hold. */
export interface ObjectWriter {
  create<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>
  /** `change` mutates its own copy of the present object; tried again when another writer was faster. Throw in it to refuse. */
  modify<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, change: (object: T) => void, options?: ModifyOptions): Promise<T>
  delete<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, options?: RemoveOptions): Promise<T | Status>
}

export interface ModifyOptions {
  /** Whose rules of preparation and validation hold; `binding` and the like may change what the main resource may not. */
  subresource?: string
  dryRun?: boolean
  /** Recorded in managedFields; nothing is recorded when absent. */
  fieldManager?: string
}

export interface RemoveOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  preconditions?: { uid?: string; resourceVersion?: string }
  dryRun?: boolean
}

/** One HTTP request and its answer, whatever carries it. */
export interface Exchange {
  readonly method: string
  /** Path and query as sent. */
  readonly url: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly remoteAddress: string
  /** Aborted when the client goes away or the server stops. */
  readonly signal: AbortSignal
  /** The request's body. */
  readonly input: Readable
  /** Answers whole, once. */
  send(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array | string): void
  /** Answers as a stream, once: headers leave at once. Destroying it breaks the answer off. */
  open(status: number, headers: OutgoingHttpHeaders): Writable
  /** Present when an HTTP/1.1 client asks to upgrade: the socket is the handler's own, then nothing else may answer. */
  readonly upgrade?: { request: IncomingMessage; socket: Duplex; head: Buffer }
}

/** A request to a subresource or a virtual kind, after authorisation and (for writes) admission. */
export interface SubresourceRequest {
  attributes: RequestAttributes
  kind: Kind
  /** The parent's key; for virtual kinds `name` is empty. */
  key: ObjectKey
  /** Decoded, defaulted and admitted: the subresource's own type (Binding, Eviction, TokenRequest), or the virtual kind's. */
  object?: KubeObject
  query: URLSearchParams
  dryRun: boolean
  /** Of `connect`: what the answer carries, unless a backend says otherwise. */
  headers?: Readonly<OutgoingHttpHeaders>
  warn(text: string): void
  /** Adds to the request's audit event. */
  annotate?: Annotate
}

/**
 * What is not plain reading and writing of the stored object. `subresource` '' serves a virtual kind (reviews, Binding, ComponentStatus).
 * The engine serves `status`, `scale`, and any other subresource of the parent's own shape that no handler claims.
 */
export interface SubresourceHandler {
  kind: Kind<any>
  subresource: string
  /** The uid and version of what is sent are the parent's, as whoever asks knows it. */
  keepsIdentity?: boolean
  /** POST. A Status answers as such. */
  create?(request: SubresourceRequest): Promise<KubeObject | Status>
  get?(request: SubresourceRequest): Promise<KubeObject>
  list?(request: SubresourceRequest): Promise<KubeObject[]>
  /**
   * Answers by itself: log, exec, attach, portforward, proxy. Admission sees CONNECT unless the subresource is `log`. Errors thrown before
   * anything was sent become a Status.
   */
  connect?(request: SubresourceRequest, exchange: Exchange): Promise<void>
}

/** Side effects of writes that must be undone when the write fails: allocators of addresses and ports. Runs after mutating admission, before preparation. */
export interface WriteHook {
  kind: Kind<any>
  /** Mutates `next`. `next` absent: `previous` is about to go. */
  begin(next: any, previous: any, options: { dryRun: boolean }): Promise<WriteEffect> | WriteEffect
}

export interface WriteEffect {
  commit?(): void
  undo?(): void
}

/** What the server gives to those who extend it. Nothing of it may be used before the server starts. */
export interface ServerContext {
  reader: ObjectReader
  writer: ObjectWriter
  /** Calls of strangers. */
  outgoing: Outgoing
  /** Which kinds are served now. */
  registry: Registry
  /** In-process client of anyone, through authorisation and admission. */
  clientFor(user: UserInfo): Client
  clock: Clock
  random: Random
  log: Logger
  /** Why the store cannot be relied on now; undefined: it can. */
  storeProblem?(): string | undefined
  /** Where this server listens; empty until it does. */
  url(): string
}

/** What others add to the core. Order of `authenticators` and `admission` is the order they are asked in. */
export interface ServerExtensions {
  authenticators?: readonly Authenticator[]
  /** Paths that may be asked for by nobody in particular; absent: health and version. */
  anonymous?(path: string): boolean
  /** Absent: everything is allowed (tests). */
  authorizer?: Authorizer
  admission?: readonly AdmissionPlugin[]
  /** Served beside the built-in ones, for as long as no APIService gives their group and version to another server. */
  kinds?: readonly Kind<any>[]
  subresources?: readonly SubresourceHandler[]
  writeHooks?: readonly WriteHook[]
  /** What extension servers know this server by; absent: other servers are not aggregated. */
  frontProxy?: { certificate: string; key: string }
  /** Further families for /metrics. */
  metrics?: readonly MetricSource[]
  /** Paths beside the resources. */
  endpoints?: readonly Endpoint[]
  /** Runs once the store is read and before anyone else is served: objects that must be there from the start. */
  bootstrap?(signal: AbortSignal): Promise<void>
  /** Work for as long as the server runs (repair loops). */
  run?(signal: AbortSignal): Promise<void>
}
