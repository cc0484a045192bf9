// What is said of a strategic merge patch that makes no sense: upstream prints its values as Go does.
import { StatusError } from '#api/status.ts'
import { goText, goType } from '#lib/go-text.ts'

/** A `$patch` that is none of the known ones. */
export function badDirective(directive: unknown, patch: unknown): StatusError {
  const spelled =
    typeof directive === 'string' ? directive : `%!s(${directive === null ? '<nil>' : `${goType(directive)}=${goText(directive)}`})`
  return new StatusError('', `unknown patch type: ${spelled} in map: ${goText(patch)}`)
}

/** Something stands where another form is needed. */
export function badArgument(wanted: unknown, given: unknown): StatusError {
  const received = given === null ? '%!s(<nil>)' : goType(given)
  return new StatusError('', `expected a ${goType(wanted)}, but received a ${received}`)
}
