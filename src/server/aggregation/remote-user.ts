// Who asks, told to an extension server in headers it believes because of the front proxy's certificate. Whatever a client sent under
// these names never passes.
import type { OutgoingHttpHeaders } from 'node:http'
import type { UserInfo } from '#client/client.ts'

export const AGGREGATOR: UserInfo = { username: 'system:kube-aggregator', groups: ['system:masters'] }

export function remoteUserHeaders({ username, uid, groups, extra = {} }: UserInfo): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { 'x-remote-user': printable(username) }
  if (uid) headers['x-remote-uid'] = printable(uid)
  if (groups.length > 0) headers['x-remote-group'] = groups.map(printable)
  for (const [name, values] of Object.entries(extra)) headers[`x-remote-extra-${headerName(name)}`] = values.map(printable)
  return headers
}

/** Percent-encoded where a header's name may not hold a character, and the percent sign itself. */
function headerName(name: string): string {
  const bytes = Buffer.from(name)
  let text = ''
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    text += /[A-Za-z0-9!#$&'*+.^_`|~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

/** Header values are bytes: names beyond latin1 travel as UTF-8, as Go sends them; line ends cannot pass. */
function printable(value: string): string {
  return Buffer.from(value.replace(/[\0\r\n]/g, ' ')).toString('latin1')
}
