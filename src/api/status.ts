// The one error of the API: a reason, from which the HTTP code follows, and the Status body that clients parse.
import type { FieldError } from './field-error.ts'

/** Reason -> HTTP code, as in apimachinery's metav1.StatusReason. */
const CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServerTimeout: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const

export type StatusReason = keyof typeof CODES

export interface StatusCause {
  reason?: string
  message?: string
  field?: string
}

export interface StatusDetails {
  name?: string
  group?: string
  kind?: string
  uid?: string
  causes?: StatusCause[]
  retryAfterSeconds?: number
}

export interface Status {
  kind: 'Status'
  apiVersion: 'v1'
  metadata: Record<string, unknown>
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: StatusDetails
  code?: number
}

export class StatusError extends Error {
  override name = 'StatusError'
  readonly reason: StatusReason | ''
  readonly code: number
  readonly details: StatusDetails | undefined
  /** ListMeta of the Status: a continue token for who wants to go on all the same. */
  readonly metadata: Record<string, unknown>

  /** `code` only where upstream answers a reason with another code than its usual one. */
  constructor(
    reason: StatusReason | '',
    message: string,
    options: { details?: StatusDetails; cause?: unknown; code?: number; metadata?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.reason = reason
    this.details = options.details
    this.metadata = options.metadata ?? {}
    this.code = options.code ?? (reason ? CODES[reason] : 500)
  }

  toStatus(): Status {
    const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: this.metadata, status: 'Failure', message: this.message }
    if (this.reason) status.reason = this.reason
    if (this.details) status.details = this.details
    status.code = this.code
    return status
  }

  static from(status: Partial<Status>): StatusError {
    return new StatusError((status.reason ?? '') as StatusReason | '', status.message ?? 'unknown', {
      ...(status.details ? { details: status.details } : {}),
      ...(status.code ? { code: status.code } : {}),
      ...(status.metadata ? { metadata: status.metadata } : {}),
    })
  }
}

/** Whether `error` is a StatusError of that reason. The only way to ask: never by message. */
export function hasReason(error: unknown, ...reasons: StatusReason[]): error is StatusError {
  return error instanceof StatusError && reasons.includes(error.reason as StatusReason)
}

/** Rethrows anything but NotFound: for reads and deletes where absence is fine. */
export function ignoreNotFound(error: unknown): undefined {
  if (hasReason(error, 'NotFound')) return undefined
  throw error
}

/** For writes about what somebody else may have changed or taken away in the meantime: whoever did is looked at next. */
export function ignoreOvertaken(error: unknown): undefined {
  if (hasReason(error, 'NotFound', 'Conflict')) return undefined
  throw error
}

interface Resource {
  group: string
  plural: string
}

/** `pods`, or `deployments.apps`: how messages spell a resource. */
export function qualified({ group, plural }: Resource): string {
  return group ? `${plural}.${group}` : plural
}

export function notFoundError(resource: Resource, name: string): StatusError {
  return new StatusError('NotFound', `${qualified(resource)} "${name}" not found`, { details: detailsOf(resource, name) })
}

export function alreadyExistsError(resource: Resource, name: string): StatusError {
  return new StatusError('AlreadyExists', `${qualified(resource)} "${name}" already exists`, { details: detailsOf(resource, name) })
}

export function conflictError(
  resource: Resource,
  name: string,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): StatusError {
  return new StatusError('Conflict', `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`, {
    details: detailsOf(resource, name),
  })
}

export function forbiddenError(resource: Resource, name: string, why: string): StatusError {
  const message = name ? `${qualified(resource)} "${name}" is forbidden: ${why}` : `${qualified(resource)} is forbidden: ${why}`
  return new StatusError('Forbidden', message, { details: detailsOf(resource, name) })
}

/** Nobody reads on: an object of a hundred thousand faults is answered with fewer bytes than it had. */
const MOST_ERRORS = 5000

/** One refusal for all errors of an object; message and causes as clients know them. */
export function invalidError(kind: { group: string; kind: string }, name: string, all: readonly FieldError[]): StatusError {
  const errors = all.length > MOST_ERRORS ? all.slice(0, MOST_ERRORS) : all
  const texts = errors.map((error) => `${error.field}: ${error.message}`)
  const joined = texts.length === 1 ? texts[0] : `[${[...new Set(texts)].join(', ')}]`
  const spelled = kind.group ? `${kind.kind}.${kind.group}` : kind.kind
  return new StatusError('Invalid', `${spelled} "${name}" is invalid: ${joined}`, {
    details: {
      ...(name ? { name } : {}),
      ...(kind.group ? { group: kind.group } : {}),
      ...(kind.kind ? { kind: kind.kind } : {}),
      causes: errors.map(({ type, field, message }) => ({ reason: type, message, field })),
    },
  })
}

function detailsOf({ group, plural }: Resource, name: string): StatusDetails {
  return { ...(name ? { name } : {}), ...(group ? { group } : {}), kind: plural }
}
