// Probes and lifecycle hooks: one handler each, and its own fields.
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { Container, LifecycleHandler, PodSpec, Probe } from '#api/generated/types.ts'
import { httpHeaderName, portName, portNumber } from '#api/names.ts'
import { checkMessages, checkNonNegative, checkOneOf, checkRequired, each, type Errors } from './checks.ts'

type Handler = LifecycleHandler & Pick<Probe, 'grpc'>

function validateHandler(handler: Handler, path: string, graceSeconds: number | undefined): FieldError[] {
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
    checkOneOf(`${path}.httpGet.scheme`, scheme ?? '', ['HTTP', 'HTTPS'], errors)
    each(httpHeaders, path, ({ name = '' }) => checkMessages(`${path}.httpGet.httpHeaders`, name, httpHeaderName(name), errors))
  }
  if (handler.tcpSocket && first('tcpSocket')) checkPort(`${path}.tcpSocket.port`, handler.tcpSocket.port, errors)
  if (handler.grpc && first('grpc')) checkPort(`${path}.grpc.port`, handler.grpc.port, errors)
  if (handler.sleep && first('sleep')) {
    const { seconds = 0 } = handler.sleep
    if (graceSeconds !== undefined && (seconds < 0 || seconds > graceSeconds))
      errors.push(invalid(`${path}.sleep`, seconds, `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`))
  }
  if (count === 0) errors.push(required(path, 'must specify a handler type'))
  return errors
}

function validateProbe(probe: Probe | undefined, path: string, kind: 'liveness' | 'readiness' | 'startup'): FieldError[] {
  if (!probe) return []
  const errors = validateHandler(probe, path, undefined)
  for (const field of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const)
    checkNonNegative(`${path}.${field}`, probe[field], errors)
  const at = `${path}.terminationGracePeriodSeconds`
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace <= 0) errors.push(invalid(at, grace, 'must be greater than 0'))
  if (kind === 'readiness') {
    if (grace !== undefined) errors.push(invalid(at, grace, 'must not be set for readinessProbes'))
  } else if ((probe.successThreshold ?? 1) !== 1) errors.push(invalid(`${path}.successThreshold`, probe.successThreshold, 'must be 1'))
  return errors
}

/** Hooks and probes of a container that goes on running. */
export function checkHandlers(container: Container, path: string, spec: PodSpec, errors: Errors): void {
  const { lifecycle } = container
  const grace = spec.terminationGracePeriodSeconds
  if (lifecycle?.postStart) errors.push(...validateHandler(lifecycle.postStart, `${path}.lifecycle.postStart`, grace))
  if (lifecycle?.preStop) errors.push(...validateHandler(lifecycle.preStop, `${path}.lifecycle.preStop`, grace))
  errors.push(...validateProbe(container.livenessProbe, `${path}.livenessProbe`, 'liveness'))
  errors.push(...validateProbe(container.readinessProbe, `${path}.readinessProbe`, 'readiness'))
  errors.push(...validateProbe(container.startupProbe, `${path}.startupProbe`, 'startup'))
}

/** An init container runs to its end: nothing watches it. */
export function checkNoHandlers(container: Container, path: string, errors: Errors): void {
  for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
    if (container[field]) errors.push(forbidden(`${path}.${field}`, 'may not be set for init containers without restartPolicy=Always'))
}

export function checkPort(path: string, port: number | string | undefined, errors: Errors): void {
  const value = port ?? 0
  checkMessages(path, value, typeof value === 'number' ? portNumber(value) : portName(value), errors)
}
