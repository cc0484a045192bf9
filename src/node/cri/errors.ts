// gRPC failures as the runtime contract names them. The message is the runtime's own text; the cause keeps the call's code.
import { GrpcError, hasGrpcCode } from '#lib/grpc/grpc-error.ts'
import { RuntimeError } from '#node/runtime.ts'

type Reason = RuntimeError['reason']

/** `reason` is what a failure of this call means where its code says nothing more precise. */
export function runtimeError(error: unknown, reason: Reason): RuntimeError {
  if (error instanceof RuntimeError) return error
  if (!(error instanceof GrpcError)) return new RuntimeError(reason, error instanceof Error ? error.message : String(error), error)
  return new RuntimeError(reasonOf(error, reason), error.message, error)
}

function reasonOf(error: GrpcError, reason: Reason): Reason {
  if (hasGrpcCode(error, 'UNAVAILABLE')) return 'Unavailable'
  if (reason === 'PullFailed') return isImageMissing(error) ? 'ImageNotFound' : 'PullFailed'
  if (hasGrpcCode(error, 'DEADLINE_EXCEEDED')) return 'Timeout'
  if (hasGrpcCode(error, 'NOT_FOUND') && reason === 'Unknown') return 'NotFound'
  return reason
}

/** Registries say it in several ways, and containerd hands most of them on as an unknown error. */
function isImageMissing(error: GrpcError): boolean {
  return error.codeName === 'NOT_FOUND' || /: not found$|manifest unknown|repository does not exist|name unknown/i.test(error.message)
}
