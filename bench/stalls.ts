// Requests made to keep the server busy: how long the loop stands still for each, and what is answered.
// usage: node bench/stalls.ts [part of a name] [directory for profiles]
import { markdown } from './figures.ts'
import { hostileAnswers, startHostileStranger } from './hostile-answers.ts'
import { HOSTILE, type HostileRequest } from './hostile-requests.ts'
import { pause, Turns } from './turns.ts'

const [only = '', profiles = ''] = process.argv.slice(2)
const rows: string[][] = []
{
  await using stranger = await startHostileStranger()
  await using turns = new Turns(rows, { profiles })
  await turns.start()
  const send = ({ path, type, body, method }: HostileRequest) =>
    turns.send(method ?? (type.includes('patch') ? 'PATCH' : 'POST'), path, body, { 'content-type': type })
  for (const hostile of [...HOSTILE, ...hostileAnswers(stranger)]) {
    const { name, prepares } = hostile
    if (!prepares && name.includes(only)) await turns.measure(name, () => send(hostile))
    else {
      await send(hostile)
      await pause(200)
    }
  }
}
console.log(markdown(['figure', 'measured', 'bound'], rows))
process.exit(0)
