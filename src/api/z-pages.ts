// /statusz and /flagz, as every component of Kubernetes has them: what runs here since when, and how it was started; text for people, and objects of
// config.k8s.io for programs that ask for them by name. Who serves them, and to whom, is not known here.
import { dump } from 'js-yaml'
import { clauses } from '#lib/accept.ts'
import { type Clock, formatHttpDate, formatTime } from '#lib/clock.ts'
import { byKey } from '#lib/order.ts'
import { StatusError } from './status.ts'

const GROUP = 'config.k8s.io'
const VERSIONS = ['v1alpha1', 'v1beta1']
const WARNING =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.'
/** Roots that are no help in finding out what is wrong. */
const NOT_LISTED = ['/apis', '/api', '/openid', '/openapi', '/.well-known', '/']

export interface ZPages {
  /** As upstream calls it: `kube-scheduler`. */
  component: string
  clock: Clock
  startedAt: number
  version: { goVersion: string; gitVersion: string; emulationMajor: string; emulationMinor: string }
  /** As the process was started, by the flags' names. */
  flags: Readonly<Record<string, string>>
  /** Every path there is. */
  paths(): readonly string[]
}

export interface ZPage {
  type: string
  body: string
}

interface Asking {
  accept?: string | undefined
  pretty?: boolean
}

type Form = 'text' | { format: 'json' | 'yaml'; version: string }

/** By path. They throw StatusError for whoever asks for another form. */
export function zPages({ component, clock, startedAt, version, flags, paths }: ZPages): ReadonlyMap<string, (asking: Asking) => ZPage> {
  const statusz = () => {
    const uptimeSeconds = Math.max(0, Math.floor((clock.now() - startedAt) / 1000))
    return {
      startTime: formatTime(startedAt),
      uptimeSeconds,
      goVersion: version.goVersion,
      binaryVersion: version.gitVersion.slice(1),
      emulationVersion: `${version.emulationMajor}.${version.emulationMinor}`,
      paths: rootsOf(paths()),
    }
  }
  const statuszText = () => {
    const { uptimeSeconds: up, goVersion, binaryVersion, emulationVersion, paths: roots } = statusz()
    const lines = {
      Started: unixDate(startedAt),
      Up: `${Math.floor(up / 3600)} hr ${padded(Math.floor(up / 60) % 60)} min ${padded(up % 60)} sec`,
      'Go version': goVersion,
      'Binary version': binaryVersion,
      'Emulation version': emulationVersion,
      Paths: roots.join(' '),
    }
    return `\n${Object.entries(lines)
      .map(([name, value]) => `${name}: ${value}\n`)
      .join('')}`
  }
  const sorted = Object.entries(flags).toSorted(byKey)
  const flagzText = () => sorted.map(([name, value]) => `${name}=${value}\n`).join('')
  const page = (kind: string, { fields, text }: { fields(): object; text(): string }) => {
    const answer = ({ accept = '', pretty = false }: Asking): ZPage => {
      const form = formOf(accept, kind)
      if (form === 'text') return { type: 'text/plain; charset=utf-8', body: `\n${component} ${kind.toLowerCase()}\n${WARNING}\n${text()}` }
      const object = { kind, apiVersion: `${GROUP}/${form.version}`, metadata: { name: component }, ...fields() }
      if (form.format === 'json')
        return { type: 'application/json', body: pretty ? JSON.stringify(object, null, 2) : `${JSON.stringify(object)}\n` }
      return { type: 'application/yaml', body: dump(object, { noRefs: true, lineWidth: -1, sortKeys: true, seqNoIndent: true }) }
    }
    return [`/${kind.toLowerCase()}`, answer] as const
  }
  return new Map([page('Statusz', { fields: statusz, text: statuszText }), page('Flagz', { fields: () => ({ flags }), text: flagzText })])
}

/** Text for whoever names no kind; objects for who names the very one that is here. */
function formOf(accept: string, kind: string): Form {
  if (accept.trim() === '') return 'text'
  for (const { type, parameters } of clauses(accept)) {
    const version = parameters.get('v') ?? ''
    const named = parameters.get('as') === kind && parameters.get('g') === GROUP && VERSIONS.includes(version)
    if (named && ['application/json', 'application/*', '*/*'].includes(type)) return { format: 'json', version }
    if (named && type === 'application/yaml') return { format: 'yaml', version }
    if (!parameters.has('as') && ['text/plain', 'text/*', '*/*'].includes(type)) return 'text'
  }
  throw new StatusError('NotAcceptable', 'only the following media types are accepted: application/json, application/yaml, text/plain')
}

function rootsOf(paths: readonly string[]): string[] {
  const roots = paths.map((path) => `/${path.split('/')[1]}`)
  return [...new Set(roots)].filter((root) => !NOT_LISTED.includes(root)).toSorted()
}

/** As `date` writes it. */
function unixDate(time: number): string {
  const [weekday = '', day = '', month = '', year = '', hour = ''] = formatHttpDate(time).replace(',', '').split(' ')
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${hour} UTC ${year}`
}

const padded = (number: number): string => String(number).padStart(2, '0')
