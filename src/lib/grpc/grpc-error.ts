// The status a gRPC call ended with. `message` is the server's own words; `full` is how Go programs print them.

const NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const

export type GrpcCodeName = (typeof NAMES)[number]

export function grpcCode(name: GrpcCodeName): number {
  return NAMES.indexOf(name)
}

export class GrpcError extends Error {
  override name = 'GrpcError'
  readonly code: number

  constructor(code: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }

  get codeName(): GrpcCodeName {
    return NAMES[this.code] ?? 'UNKNOWN'
  }

  get full(): string {
    const word = this.codeName.toLowerCase().replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())
    return `rpc error: code = ${word} desc = ${this.message}`
  }
}

export function hasGrpcCode(error: unknown, ...names: GrpcCodeName[]): error is GrpcError {
  return error instanceof GrpcError && names.includes(error.codeName)
}
