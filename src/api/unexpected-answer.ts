// What a server's refusal means that is no Status: a proxy's page, a plain text. In the words of upstream's clients.
import { StatusError } from './status.ts'

/** The reason of the cause that holds what the server did say. */
const UNEXPECTED = 'UnexpectedServerResponse'

const SAID: Readonly<Record<number, string>> = {
  400: 'the server rejected our request for an unknown reason',
  401: 'the server has asked for the client to provide credentials',
  404: 'the server could not find the requested resource',
  405: 'the server does not allow this method on the requested resource',
  409: 'the server reported a conflict',
  422: 'the server rejected our request due to an error in our request',
  429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
}
/** Of those the server's own words are the best. */
const QUOTED = [403, 406, 415]

export function unexpectedAnswer(code: number, text: string): string {
  if (SAID[code]) return SAID[code]
  if (QUOTED.includes(code)) return text || 'unknown'
  if (code >= 500) return `an error on the server (${JSON.stringify(text || 'unknown')}) has prevented the request from succeeding`
  return `the server responded with the status code ${code} but did not return more information`
}

/** For the details of an error made from such an answer. */
export function unexpectedCauses(text: string): { causes: { reason: string; message: string }[] } {
  return { causes: [{ reason: UNEXPECTED, message: text }] }
}

/** What the code of such an answer means; undefined: the error has words of its own. */
export function meaningOf(error: unknown): string | undefined {
  if (!(error instanceof StatusError)) return undefined
  const cause = error.details?.causes?.find(({ reason }) => reason === UNEXPECTED)
  return cause && unexpectedAnswer(error.code, cause.message ?? '')
}
