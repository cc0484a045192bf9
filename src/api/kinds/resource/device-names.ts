// How drivers, pools, attributes and their parameters must be named and formed, wherever devices are asked for, offered or given.
import { invalid, required, tooLong } from '#api/field-error.ts'
import { dnsSubdomain } from '#api/names.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { checkDriverName } from '#api/validation/volume-sources.ts'

const IDENTIFIER = '[A-Za-z_][A-Za-z0-9_]*'
const NOT_IDENTIFIER = `a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '${IDENTIFIER}')`
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export const MOST_PARAMETERS = 10 * 1024

/** Parts of a path, each like a domain. */
export function checkPoolName(path: string, name: string | undefined, errors: Errors): void {
  if (!name) return void errors.push(required(path))
  if (name.length > 253) errors.push(tooLong(path, 253))
  for (const part of name.split('/')) checkMessages(path, part, dnsSubdomain(part), errors)
}

/** An attribute or a capacity: an identifier, of a domain or of the driver's own. */
export function checkDeviceName(path: string, name: string, errors: Errors): void {
  const parts = name.split('/')
  if (parts.length === 1) return checkIdentifier(path, name, errors)
  // More parts than two are not looked at, as upstream does not.
  if (parts.length > 2) return
  const [domain = '', id = ''] = parts
  if (!domain) errors.push(invalid(path, '', 'the domain must not be empty'))
  else checkDriverName(path, domain, errors)
  if (!id) errors.push(invalid(path, '', 'the name must not be empty'))
  else checkIdentifier(path, id, errors)
}

export function checkFullDeviceName(path: string, name: string, errors: Errors): void {
  checkDeviceName(path, name, errors)
  if (!name.includes('/')) errors.push(invalid(path, name, 'a fully qualified name must be a domain and a name separated by a slash'))
}

function checkIdentifier(path: string, id: string, errors: Errors): void {
  if (id.length > 32) errors.push(tooLong(path, 32))
  if (!new RegExp(`^${IDENTIFIER}$`).test(id)) errors.push(invalid(path, id, NOT_IDENTIFIER))
}

/** A JSON object of its driver's own. */
export function checkRaw(path: string, value: unknown, most: number, errors: Errors): void {
  if (value === undefined || value === null) return void errors.push(required(path))
  if (Buffer.byteLength(JSON.stringify(value)) > most) return void errors.push(tooLong(path, most))
  if (typeof value !== 'object' || Array.isArray(value)) errors.push(invalid(path, '<value omitted>', 'must be a valid JSON object'))
}

export function checkShareId(path: string, id: string | undefined, errors: Errors): void {
  if (id === undefined || UUID.test(id)) return
  const loose = UUID.test(id.toLowerCase())
  errors.push(
    loose
      ? invalid(
          path,
          id,
          'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters',
        )
      : invalid(path, id, `error validating uid: invalid UUID ${id.length === 36 ? 'format' : `length: ${id.length}`}`),
  )
}

/** Conditions before a pod may use a device, and those that end the waiting. */
export function checkBindingConditions(
  { bindingConditions = [], bindingFailureConditions = [] }: { bindingConditions?: string[]; bindingFailureConditions?: string[] },
  path: string,
  { check, errors }: { check: (path: string, list: string[]) => void; errors: Errors },
): void {
  check(`${path}.bindingConditions`, bindingConditions)
  check(`${path}.bindingFailureConditions`, bindingFailureConditions)
  const repeated = (list: string[], at: string, further?: (one: string, where: string) => void) => {
    const seen = new Set<string>()
    each(list, at, (one, where) => {
      if (seen.has(one)) errors.push({ type: 'FieldValueDuplicate', field: where, message: `Duplicate value: ${JSON.stringify(one)}` })
      seen.add(one)
      further?.(one, where)
    })
  }
  const known = new Set(bindingConditions)
  repeated(bindingConditions, `${path}.bindingConditions`)
  repeated(bindingFailureConditions, `${path}.bindingFailureConditions`, (one, where) => {
    if (known.has(one)) errors.push(invalid(where, one, 'bindingFailureConditions must not overlap with bindingConditions'))
  })
  if (bindingConditions.length === 0 && bindingFailureConditions.length > 0)
    errors.push(invalid(`${path}.bindingConditions`, null, 'bindingConditions are required to use bindingFailureConditions'))
  if (bindingFailureConditions.length === 0 && bindingConditions.length > 0)
    errors.push(invalid(`${path}.bindingFailureConditions`, null, 'bindingFailureConditions are required to use bindingConditions'))
}
