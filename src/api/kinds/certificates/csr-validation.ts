// Rules of certificate signing requests: what is asked, who may sign, and how conditions may grow.
import { X509Certificate } from 'node:crypto'
import { duplicate, type FieldError, forbidden, invalid, notSupported, required, tooLong } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { dnsLabel, dnsSubdomain } from '#api/names.ts'
import { each, type Errors } from '#api/validation/checks.ts'
import { pemBlocks } from '#lib/pem.ts'
import { certificateRequestProblem } from './pkcs10.ts'

type Request = types.CertificateSigningRequest

const USAGES = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
]
const DECISIONS = ['Approved', 'Denied', 'Failed']

export function validateSigningRequest(next: Request, previous: Request | undefined, { subresource }: HookContext): FieldError[] {
  const errors: Errors = []
  const { spec, status } = next
  // The spec never changes.
  if (!previous) checkSpec(spec, errors)
  checkConditions(status?.conditions, previous?.status?.conditions, errors)
  const [certificate = '', old = ''] = [status?.certificate, previous?.status?.certificate]
  if (certificate !== old) {
    const problem = certificate ? certificateProblem(certificate) : undefined
    if (problem) errors.push(invalid('status.certificate', '<certificate data>', problem))
  }
  if (!previous) return errors
  const count = (request: Request, type: string) => (request.status?.conditions ?? []).filter((condition) => condition.type === type).length
  const at = 'status.conditions'
  for (const type of DECISIONS)
    if (count(next, type) < count(previous, type)) errors.push(forbidden(at, `updates may not remove a condition of type "${type}"`))
  if (subresource !== 'approval')
    for (const type of ['Approved', 'Denied'])
      if (count(next, type) > count(previous, type)) errors.push(forbidden(at, `updates may not add a condition of type "${type}"`))
  if (certificate !== old && subresource !== 'status')
    errors.push(forbidden('status.certificate', 'updates may not set certificate content'))
  else if (certificate !== old && old) errors.push(forbidden('status.certificate', 'updates may not modify existing certificate content'))
  return errors
}

function checkSpec(spec: types.CertificateSigningRequestSpec | undefined, errors: Errors): void {
  const { signerName = '', usages = [], expirationSeconds } = spec ?? ({} as Partial<types.CertificateSigningRequestSpec>)
  const request = spec?.request ?? ''
  const pem = Buffer.from(request, 'base64').toString()
  const problem = certificateRequestProblem(pem)
  if (problem) errors.push(invalid('spec.request', request, problem))
  if (usages.length === 0) errors.push(required('spec.usages'))
  const seen = new Set<string>()
  each(usages, 'spec.usages', (usage, at) => {
    if (!USAGES.includes(usage)) errors.push(notSupported(at, usage, USAGES))
  })
  each(usages, 'spec.usages', (usage, at) => {
    if (seen.has(usage)) errors.push(duplicate(at, usage))
    seen.add(usage)
  })
  if (signerName === 'kubernetes.io/legacy-unknown')
    errors.push(invalid('spec.signerName', signerName, 'the legacy signerName is not allowed via this API version'))
  else checkSignerName('spec.signerName', signerName, errors)
  if (expirationSeconds !== undefined && expirationSeconds < 600)
    errors.push(invalid('spec.expirationSeconds', expirationSeconds, 'may not specify a duration less than 600 seconds (10 minutes)'))
}

type Conditions = types.CertificateSigningRequestCondition[] | undefined

/** What is wrong with old conditions already is not refused again. */
function checkConditions(conditions: Conditions, old: Conditions, errors: Errors): void {
  const had = new Set((old ?? []).map(({ type }) => type))
  const [both, twice, nameless] = [had.has('Approved') && had.has('Denied'), had.size < (old?.length ?? 0), had.has('')]
  const seen = new Set<string>()
  each(conditions, 'status.conditions', ({ type = '', status }, at) => {
    if (!type && !nameless) errors.push(required(`${at}.type`))
    const allowed = DECISIONS.includes(type) ? ['True'] : ['False', 'True', 'Unknown']
    if (!status) errors.push(required(`${at}.status`))
    else if (!allowed.includes(status)) errors.push(notSupported(`${at}.status`, status, allowed))
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined
    if (other && seen.has(other) && !both)
      errors.push(invalid('status.conditions', type, 'Approved and Denied conditions are mutually exclusive'))
    if (seen.has(type) && !twice) errors.push(duplicate(`${at}.type`, type))
    seen.add(type)
  })
}

/** `example.com/name`: a domain, and names as objects of a namespace have them. */
function checkSignerName(path: string, name: string, errors: Errors): void {
  if (!name) return void errors.push(required(path))
  const segments = name.split('/')
  const [domain = '', rest = ''] = segments
  if (segments.length !== 2)
    return void errors.push(invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'"))
  if (domain.length > 253) errors.push(tooLong(path, 253))
  const labels = domain.split('.')
  const first = (parts: string[], check: (part: string) => string[], shown: string) => {
    // The first that is out of form is told: the others would say the same.
    const part = parts.find((one) => check(one).length > 0)
    for (const message of part === undefined ? [] : check(part))
      errors.push(invalid(path, shown, `validating label ${JSON.stringify(part)}: ${message}`))
  }
  first(labels, dnsLabel, domain)
  if (labels.length < 2) errors.push(invalid(path, domain, 'should be a domain with at least two segments separated by dots'))
  first(rest.split('.'), dnsSubdomain, rest)
  if (name.length > 571) errors.push(tooLong(path, 571))
}

function certificateProblem(base64: string): string | undefined {
  let blocks = 0
  for (const { type, hasHeaders, content } of pemBlocks(Buffer.from(base64, 'base64').toString())) {
    blocks++
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`
    if (hasHeaders) return 'no PEM block headers are permitted'
    try {
      // Read for its errors only.
      void new X509Certificate(content).serialNumber
    } catch {
      return 'x509: malformed certificate'
    }
  }
  return blocks === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined
}
