// Whether a value is what its schema asks for, in the words of upstream's validator. What an update leaves as it was is not judged again.
import { getOwn, isObject } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import { type FieldError, invalid, notSupported, required, tooLong, tooMany, typeInvalid } from '#api/field-error.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import { fitsFormat } from './formats.ts'
import { itemKey } from './lists.ts'
import { compilePattern, type Pattern } from '#lib/pattern/pattern.ts'

/** One custom kind's validator: patterns are compiled once. */
export class Validator {
  readonly #patterns = new Map<string, Pattern | undefined>()

  /** `previous`: the value before an update; undefined where there was none or it cannot be told which it was. */
  check(schema: JSONSchemaProps, value: unknown, { path, previous }: { path: string; previous: unknown }): FieldError[] {
    const errors: FieldError[] = []
    this.#value(schema, value, { path, previous, errors })
    return errors
  }

  #value(schema: JSONSchemaProps, value: unknown, { path, previous, errors }: Place): void {
    if (previous !== undefined && equal(value, previous)) return
    if (value === null && schema.nullable) return
    const wanted = schema['x-kubernetes-int-or-string'] ? 'integer,string' : schema.type
    const actual = typeOf(value)
    if (wanted && !fits(actual, wanted))
      return void errors.push(typeInvalid(path, actual, `${path} in body must be of type ${wanted}: ${JSON.stringify(actual)}`))
    if (schema.enum && !schema.enum.some((one) => equal(one, value)))
      errors.push(
        notSupported(
          path,
          value,
          schema.enum.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))),
        ),
      )
    if (typeof value === 'string') this.#string(schema, value, { path, errors })
    else if (typeof value === 'number' || typeof value === 'bigint') checkNumber(schema, value, { path, errors })
    else if (Array.isArray(value)) this.#list(schema, value, { path, previous, errors })
    else if (isObject(value)) this.#map(schema, value, { path, previous, errors })
    this.#junctors(schema, value, { path, errors })
  }

  #string({ minLength, maxLength, pattern, format }: JSONSchemaProps, value: string, { path, errors }: Site): void {
    if (maxLength !== undefined || minLength !== undefined) {
      const length = [...value].length
      if (maxLength !== undefined && length > maxLength) errors.push(tooLong(path, maxLength))
      if (minLength !== undefined && length < minLength)
        errors.push(invalid(path, value, `${path} in body should be at least ${minLength} chars long`))
    }
    if (pattern && this.#pattern(pattern)?.test(value) === false)
      errors.push(invalid(path, value, `${path} in body should match '${pattern}'`))
    if (format && !fitsFormat(value, format))
      errors.push(typeInvalid(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`))
  }

  #list({ items, minItems, maxItems, ...schema }: JSONSchemaProps, value: unknown[], { path, previous, errors }: Place): void {
    if (maxItems !== undefined && value.length > maxItems) errors.push(tooMany(path, value.length, maxItems))
    if (minItems !== undefined && value.length < minItems)
      errors.push(invalid(path, value.length, `${path} in body should have at least ${minItems} items`))
    if (!isObject(items)) return
    const keys = schema['x-kubernetes-list-type'] === 'map' ? schema['x-kubernetes-list-map-keys'] : undefined
    const before = keys && Array.isArray(previous) ? new Map(previous.map((item: unknown) => [itemKey(item, keys), item])) : undefined
    for (const [index, item] of value.entries()) {
      this.#value(items as JSONSchemaProps, item, { path: `${path}[${index}]`, previous: keys && before?.get(itemKey(item, keys)), errors })
    }
  }

  #map(schema: JSONSchemaProps, value: Record<string, unknown>, { path, previous, errors }: Place): void {
    const { properties, additionalProperties, minProperties, maxProperties } = schema
    const names = Object.keys(value)
    const at = (name: string) => (path ? `${path}.${name}` : name)
    const before = (name: string) => (isObject(previous) ? getOwn(previous, name) : undefined)
    for (const name of schema.required ?? []) if (getOwn(value, name) === undefined) errors.push(required(at(name)))
    if (maxProperties !== undefined && names.length > maxProperties) errors.push(tooMany(path, names.length, maxProperties))
    if (minProperties !== undefined && names.length < minProperties)
      errors.push(invalid(path, names.length, `${path} in body should have at least ${minProperties} properties`))
    for (const name of names) {
      const property = properties && (getOwn(properties, name) as JSONSchemaProps | undefined)
      const one = property ?? (isObject(additionalProperties) ? (additionalProperties as JSONSchemaProps) : undefined)
      if (one) this.#value(one, value[name], { path: at(name), previous: before(name), errors })
    }
  }

  #junctors({ allOf, anyOf, oneOf, not }: JSONSchemaProps, value: unknown, { path, errors }: Site): void {
    const tried = (schemas: JSONSchemaProps[]) => schemas.map((one) => this.check(one, value, { path, previous: undefined }))
    const told = (text: string, details: FieldError[] = []) =>
      errors.push({ type: 'FieldValueInvalid', field: path || '<nil>', message: `Invalid value: "": ${text}` }, ...details)
    if (allOf) {
      const failures = tried(allOf).flat()
      if (failures.length > 0) told(`${JSON.stringify(path)} must validate all the schemas (allOf)`, failures)
    }
    if (anyOf) {
      const results = tried(anyOf)
      if (!results.some((one) => one.length === 0))
        told(`${JSON.stringify(path)} must validate at least one schema (anyOf)`, nearest(results))
    }
    if (oneOf) {
      const results = tried(oneOf)
      const valid = results.filter((one) => one.length === 0).length
      const text = `${JSON.stringify(path)} must validate one and only one schema (oneOf)`
      if (valid === 0) told(`${text}. Found none valid`, nearest(results))
      else if (valid > 1) told(`${text}. Found ${valid} valid alternatives`)
    }
    if (not && this.check(not, value, { path, previous: undefined }).length === 0)
      told(`${JSON.stringify(path)} must not validate the schema (not)`)
  }

  #pattern(pattern: string): Pattern | undefined {
    if (!this.#patterns.has(pattern)) this.#patterns.set(pattern, compilePattern(pattern))
    return this.#patterns.get(pattern)
  }
}

interface Site {
  path: string
  errors: FieldError[]
}
interface Place extends Site {
  previous: unknown
}

function checkNumber(schema: JSONSchemaProps, value: number | bigint, { path, errors }: Site): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, format } = schema
  const refuse = (text: string) => errors.push(invalid(path, value, `${path} in body ${text}`))
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
    refuse(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`)
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
    refuse(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`)
  if (multipleOf !== undefined && !isMultiple(Number(value), multipleOf)) refuse(`should be a multiple of ${multipleOf}`)
  const outside =
    (format === 'int32' && (value < -2147483648 || value > 2147483647)) ||
    (format === 'int64' && Math.abs(Number(value)) > 2 ** 63) ||
    (format === 'float' && Math.abs(Number(value)) > 3.4028234663852886e38)
  if (outside) errors.push(typeInvalid(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(String(value))}`))
}

function isMultiple(value: number, of: number): boolean {
  const times = value / of
  return Math.abs(times - Math.round(times)) < 1e-9 * Math.max(1, Math.abs(times))
}

/** Of alternatives that all fail: what is wrong with the one that fails least. */
function nearest(results: FieldError[][]): FieldError[] {
  return results.toSorted((a, b) => a.length - b.length)[0] ?? []
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  if (typeof value === 'bigint') return 'integer'
  return typeof value
}

function fits(actual: string, wanted: string): boolean {
  return (
    actual === wanted ||
    (wanted === 'number' && actual === 'integer') ||
    (wanted === 'integer,string' && wanted.split(',').includes(actual))
  )
}
