// Rules of certificate signing requests: what is asked, who may sign, and how conditions may grow.
import { X509Certificate } from 'node:crypto'
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { domainPrefixedPath } from '#api/names.ts'
import { checkImmutable, checkMessages, each, type Errors } from '#api/validation/checks.ts'

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
const PEM = /^\s*-----BEGIN CERTIFICATE REQUEST-----[\s\S]+-----END CERTIFICATE REQUEST-----\s*$/

export function validateSigningRequest(next: Request, previous: Request | undefined, { subresource }: HookContext): FieldError[] {
  const errors: Errors = []
  const { spec, status } = next
  if (!previous) checkSpec(spec, errors)
  else if (!subresource) checkImmutable('spec', spec, previous.spec, errors)
  checkConditions(status?.conditions, errors)
  if (subresource === 'status') {
    const [certificate, old] = [status?.certificate, previous?.status?.certificate]
    if (old && certificate !== old) errors.push(forbidden('status.certificate', 'updates may not modify a set certificate'))
    if (certificate && certificate !== old) checkCertificate(certificate, errors)
  }
  const had = (type: string) => previous?.status?.conditions?.some((condition) => condition.type === type)
  for (const type of ['Approved', 'Denied', 'Failed'])
    if (had(type) && !status?.conditions?.some((condition) => condition.type === type))
      errors.push(forbidden('status.conditions', `updates may not remove a condition of type "${type}"`))
  if (subresource === 'status')
    for (const type of ['Approved', 'Denied'])
      if (!had(type) && status?.conditions?.some((condition) => condition.type === type))
        errors.push(forbidden('status.conditions', `updates may not add a condition of type "${type}"`))
  return errors
}

function checkSpec(spec: types.CertificateSigningRequestSpec | undefined, errors: Errors): void {
  const { request = '', signerName = '', usages = [], expirationSeconds } = spec ?? ({} as Partial<types.CertificateSigningRequestSpec>)
  const pem = Buffer.from(request, 'base64').toString()
  if (!PEM.test(pem)) errors.push(invalid('spec.request', request, 'PEM block type must be CERTIFICATE REQUEST'))
  if (usages.length === 0) errors.push(required('spec.usages', 'usages is required'))
  const seen = new Set<string>()
  each(usages, 'spec.usages', (usage, at) => {
    if (!USAGES.includes(usage)) errors.push(notSupported(at, usage, USAGES))
    if (seen.has(usage)) errors.push(duplicate(at, usage))
    seen.add(usage)
  })
  if (!signerName) errors.push(required('spec.signerName'))
  else {
    checkMessages('spec.signerName', signerName, domainPrefixedPath(signerName), errors)
    if (signerName === 'kubernetes.io/legacy-unknown')
      errors.push(invalid('spec.signerName', signerName, 'the legacy signerName is not allowed via this API version'))
    if (signerName.length > 571)
      errors.push({ type: 'FieldValueTooLong', field: 'spec.signerName', message: 'Too long: may not be more than 571 bytes' })
  }
  if (expirationSeconds !== undefined && expirationSeconds < 600)
    errors.push(invalid('spec.expirationSeconds', expirationSeconds, 'may not specify a duration less than 600 seconds (10 minutes)'))
}

function checkConditions(conditions: types.CertificateSigningRequestCondition[] | undefined, errors: Errors): void {
  const seen = new Set<string>()
  each(conditions, 'status.conditions', ({ type, status }, at) => {
    if (!type) errors.push(required(`${at}.type`))
    if (['Approved', 'Denied', 'Failed'].includes(type)) {
      if (!status) errors.push(required(`${at}.status`))
      else if (status !== 'True') errors.push(notSupported(`${at}.status`, status, ['True']))
    } else if (!['True', 'False', 'Unknown'].includes(status))
      errors.push(status ? notSupported(`${at}.status`, status, ['False', 'True', 'Unknown']) : required(`${at}.status`))
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : ''
    if (seen.has(other)) errors.push(invalid(`${at}.type`, type, 'Approved and Denied conditions are mutually exclusive'))
    if (seen.has(type)) errors.push(duplicate(`${at}.type`, type))
    seen.add(type)
  })
}

function checkCertificate(base64: string, errors: Errors): void {
  const pem = Buffer.from(base64, 'base64').toString()
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0)
    return void errors.push(invalid('status.certificate', '<certificate data>', 'must contain at least one CERTIFICATE PEM block'))
  for (const [index, block] of blocks.entries()) {
    try {
      // Read for its errors only.
      void new X509Certificate(block).serialNumber
    } catch (error) {
      errors.push(
        invalid('status.certificate', '<certificate data>', `CERTIFICATE PEM block ${index} is invalid: ${(error as Error).message}`),
      )
    }
  }
}
