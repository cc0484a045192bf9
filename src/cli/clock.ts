// `sampan clock show` and `sampan clock advance`: the time of an instance whose clock is virtual.
import { HttpSession } from '#client/http-session.ts'
import { parseDuration } from '#lib/duration.ts'
import { CommandError, UsageError } from './errors.ts'
import { nothingRuns, pkiOf, runningInstance } from './instance.ts'
import { say } from './output.ts'
import type { Platform } from './platform.ts'

const PATH = '/sampan.dev/clock'
/** What the cluster takes at once. */
const MOST_DAYS = 366

export async function showClock({ dataDir }: { dataDir: string }, platform: Platform): Promise<void> {
  say(await ask({ method: 'GET', path: PATH }, dataDir, platform))
}

export async function advanceClock(duration: string, { dataDir }: { dataDir: string }, platform: Platform): Promise<void> {
  const ms = parseDuration(duration)
  if (ms === undefined) throw new UsageError(`${duration}: a duration is written as 90s, 1h30m, 24h or 7d`)
  if (ms > MOST_DAYS * 86_400_000) throw new UsageError(`${duration}: ${MOST_DAYS} days at most, and again for more`)
  say(await ask({ method: 'POST', path: `${PATH}?advance=${ms}` }, dataDir, platform))
}

async function ask(request: { method: string; path: string }, dataDir: string, { clock, credentials }: Platform): Promise<string> {
  const instance = runningInstance(dataDir)
  if (!instance?.url) throw nothingRuns(dataDir, ' --clock virtual')
  const known = credentials(pkiOf(dataDir, instance), instance.url)
  if (!known) throw new CommandError(`${dataDir} holds no credentials`)
  await using session = new HttpSession({ url: known.url, ca: known.ca, cert: known.certificate, key: known.key, clock })
  const response = await session.request(request)
  const text = (await session.readBody(response)).toString().trim()
  if (response.status === 404) throw new CommandError(`the clock of ${dataDir} is the real one: start it with --clock virtual`)
  if (response.status !== 200) throw new CommandError(text)
  return text
}
