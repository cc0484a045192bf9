// The body of a webhook's answer, which must be a JSON object; what is in it is for others to judge.
import { isObject } from '#api/clone.ts'
import { goKind } from '#api/patch/json-patch.ts'

/** Reads JSON, perhaps in another thread. */
export type ReadJson = (text: Buffer) => Promise<unknown>

const HEAD = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'

/** Throws an Error in the words of upstream's decoder. */
export async function parseReview(body: Buffer, read: ReadJson): Promise<Record<string, unknown>> {
  let value: unknown
  try {
    value = await read(body)
  } catch (error) {
    throw new Error(`couldn't get version/kind; json parse error: ${(error as Error).message}`, { cause: error })
  }
  if (isObject(value)) return value
  // Go reads null into an object nothing is said about.
  if (value === null) return {}
  throw new Error(`couldn't get version/kind; json parse error: json: cannot unmarshal ${goKind(value)} into Go value of type ${HEAD}`)
}
