// Probes and lifecycle hooks: one handler each, and its own fields.
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { LifecycleHandler, Probe } from '#api/generated/types.ts'
import { httpHeaderName, portName, portNumber } from '#api/names.ts'
import { checkMessages, checkNonNegative, checkOneOf, checkRequired, each, type Errors } from './checks.ts'

type Handler = LifecycleHandler & Pick<Probe, 'grpc'>

export function validateHandler(handler: Handler, path: string, graceSeconds?: number): FieldError[] {
  const errors: FieldError[] = []
  let count = 0
  const first = (name: string) => {
    if (count++ === 0) return true
    errors.push(forbidden(`${path}.${name}`, 'may not specify more than 1 handler type'))
    return false
  }
  if (handler.exec && first('exec')) checkRequired(`${path}.exec.command`, handler.exec.command, errors)
  if (handler.httpGet && first('httpGet')) {
    const { path: target, port, scheme, httpHeaders } = handler.httpGet
    checkRequired(`${path}.httpGet.path`, target, errors)
    checkPort(`${path}.httpGet.port`, port, errors)
    checkOneOf(`${path}.httpGet.scheme`, scheme, ['HTTP', 'HTTPS'], errors)
    each(httpHeaders, `${path}.httpGet.httpHeaders`, ({ name }, at) => checkMessages(at, name ?? '', httpHeaderName(name ?? ''), errors))
  }
  if (handler.tcpSocket && first('tcpSocket')) checkPort(`${path}.tcpSocket.port`, handler.tcpSocket.port, errors)
  if (handler.grpc && first('grpc')) checkMessages(`${path}.grpc.port`, handler.grpc.port, portNumber(handler.grpc.port), errors)
  if (handler.sleep && first('sleep')) {
    const { seconds = 0 } = handler.sleep
    if (seconds < 0 || (graceSeconds !== undefined && seconds > graceSeconds))
      errors.push(
        invalid(
          `${path}.sleep`,
          seconds,
          `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds ?? 30}). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep.`,
        ),
      )
  }
  if (count === 0) errors.push(required(path, 'must specify a handler type'))
  return errors
}

export function validateProbe(probe: Probe | undefined, path: string, kind: 'liveness' | 'readiness' | 'startup'): FieldError[] {
  if (!probe) return []
  const errors = validateHandler(probe, path)
  for (const field of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const)
    checkNonNegative(`${path}.${field}`, probe[field], errors)
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined) {
    if (kind === 'readiness') errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'))
    else if (grace <= 0) errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'))
  }
  if (kind !== 'readiness' && (probe.successThreshold ?? 1) !== 1)
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold, 'must be 1'))
  return errors
}

export function checkPort(path: string, port: number | string | undefined, errors: Errors): void {
  const value = port ?? 0
  checkMessages(path, value, typeof value === 'number' ? portNumber(value) : portName(value), errors)
}
