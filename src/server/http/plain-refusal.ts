// The refusals that upstream's outer handlers write as plain words, where no Status could be negotiated yet.
import { answer, type Call } from './call.ts'

/** 500: nobody can say what should come of the request. */
export function answerInternalError(call: Call, why: string): void {
  const body = escapeHtml(`Internal Server Error: ${JSON.stringify(call.exchange.url)}: ${why}\n`)
  answer(call, 500, { type: 'text/plain; charset=utf-8', headers: { 'x-content-type-options': 'nosniff' }, body })
}

const ESCAPES: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;' }

const escapeHtml = (text: string): string => text.replace(/[<>&]/g, (one) => ESCAPES[one]!)
