import { setOwn } from '#api/clone.ts'
import { syntaxErrorOf } from '#api/codec/json-scanner.ts'
import { defineKind } from '#api/define-kind.ts'
import { type FieldError, invalid, required, tooLong } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { configMapKey } from '#api/names.ts'
import { checkImmutable, checkMessages, type Errors } from '#api/validation/checks.ts'
import { SERVICE_ACCOUNT_NAME_ANNOTATION, SERVICE_ACCOUNT_TOKEN_TYPE } from '#api/well-known.ts'
import { checkFrozenData, DATA_LIMIT } from './config-map.ts'
import { tlsWarnings } from './tls-warnings.ts'

export type Secret = types.Secret

export const Secret = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  scope: 'Namespaced',
  fields: { type: ({ type }) => type ?? '' },
  default(secret) {
    secret.type ||= 'Opaque'
    if (!secret.stringData) return
    const plain = secret.stringData
    const keys = Object.keys(plain)
    // Filled in place: there may be very many.
    const data = keys.length > 0 ? (secret.data ??= {}) : {}
    for (const key of keys) setOwn(data, key, Buffer.from(plain[key]!).toString('base64'))
    delete secret.stringData
  },
  validate: validateSecret,
  warnings: ({ type, data }) => (type === 'kubernetes.io/tls' ? tlsWarnings(data) : []),
  columns: columnsOf<Secret>(
    { name: 'Type', description: 'What the data is for.', value: ({ type }) => type ?? '' },
    { name: 'Data', description: 'Number of entries.', value: ({ data }) => Object.keys(data ?? {}).length },
  ),
})

function validateSecret(next: Secret, previous?: Secret): FieldError[] {
  const errors: Errors = []
  const { data = {}, type, metadata } = next
  if (previous) {
    checkImmutable('type', type, previous.type, errors)
    checkFrozenData(next, previous, ['data'], errors)
  }
  let size = 0
  for (const [key, value] of Object.entries(data)) {
    checkMessages(`data[${key}]`, key, configMapKey(key), errors)
    size += Buffer.byteLength(value, 'base64')
  }
  if (size > DATA_LIMIT) errors.push(tooLong('data', DATA_LIMIT))
  const has = (key: string) => Object.hasOwn(data, key)
  const need = (...keys: string[]) => errors.push(...keys.filter((key) => !has(key)).map((key) => required(`data[${key}]`)))
  switch (type) {
    case SERVICE_ACCOUNT_TOKEN_TYPE:
      if (!metadata?.annotations?.[SERVICE_ACCOUNT_NAME_ANNOTATION])
        errors.push(required('metadata.annotations[kubernetes.io/service-account.name]'))
      break
    case 'kubernetes.io/dockercfg':
    case 'kubernetes.io/dockerconfigjson': {
      const key = type === 'kubernetes.io/dockercfg' ? '.dockercfg' : '.dockerconfigjson'
      need(key)
      const message = has(key) ? objectMessage(Buffer.from(data[key]!, 'base64')) : undefined
      if (message) errors.push(invalid(`data[${key}]`, '<secret contents redacted>', message))
      break
    }
    case 'kubernetes.io/basic-auth':
      if (!has('username') && !has('password')) need('username', 'password')
      break
    case 'kubernetes.io/ssh-auth':
      if (!has('ssh-privatekey') || data['ssh-privatekey'] === '') errors.push(required('data[ssh-privatekey]'))
      break
    case 'kubernetes.io/tls':
      need('tls.crt', 'tls.key')
      break
  }
  return errors
}

/** Why the bytes are no JSON object, as Go words it. */
function objectMessage(bytes: Uint8Array): string | undefined {
  const message = syntaxErrorOf(bytes)
  if (message) return message
  const value: unknown = JSON.parse(Buffer.from(bytes).toString())
  const type = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
  return value === null || type === 'object' ? undefined : `json: cannot unmarshal ${type} into Go value of type map[string]interface {}`
}
