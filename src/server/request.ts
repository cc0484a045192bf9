// What the links of the handler chain hand each other: who asks, what for, and the small interfaces of those who decide.
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import type { UserInfo } from '#client/client.ts'

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
}

export interface Authenticator {
  /** undefined: not mine, ask the next. Throws StatusError Unauthorized: mine, and bad. */
  authenticate(request: AuthenticationRequest): Promise<UserInfo | undefined>
}

export interface Authorizer {
  authorize(attributes: RequestAttributes): { allowed: boolean; denied?: boolean; reason: string }
  /** For SelfSubjectRulesReview. */
  rulesFor?(user: UserInfo, namespace: string): { resourceRules: unknown[]; nonResourceRules: unknown[]; incomplete: boolean }
}

export interface AdmissionRequest {
  attributes: RequestAttributes
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  kind: Kind
  /** Mutating plugins change it in place. Absent on delete. */
  object?: KubeObject
  oldObject?: KubeObject
  dryRun: boolean
  warn(text: string): void
}

/** One admission plugin. All `admit`s run in order, then all `validate`s. Both refuse by throwing StatusError. */
export interface AdmissionPlugin {
  name: string
  admit?(request: AdmissionRequest): Promise<void> | void
  validate?(request: AdmissionRequest): Promise<void> | void
}

/** Synchronous reads of what the server holds in memory: frozen, parsed on demand. For authorisers, admission and allocators. */
export interface ObjectReader {
  get<T extends KubeObject>(kind: Kind<T>, key: { namespace?: string; name: string }): T | undefined
  list<T extends KubeObject>(kind: Kind<T>, namespace?: string): Iterable<T>
  /** Called for every change of that kind from now on. */
  onChange<T extends KubeObject>(kind: Kind<T>, handler: (change: { object?: T; previous?: T }) => void): Disposable
}
