// Which plugins a profile runs where: what the file enables and disables, merged with the defaults by upstream's rules.
// MultiPoint stands for every point a plugin takes part in; what is said of a single point goes before it.
import { type FieldError, invalid, notSupported } from '#api/field-error.ts'
import { PLUGINS, type Point, POINTS, pluginNamed } from '#scheduler/plugin-table.ts'

export interface PluginSet {
  enabled?: { name?: string; weight?: number }[]
  disabled?: { name?: string; weight?: number }[]
}

export type PluginsConfig = Partial<Record<Point | 'multiPoint', PluginSet>>

/** For each point, the plugins in order with their weights. */
export type PluginLists = ReadonlyMap<Point, ReadonlyMap<string, number>>

interface Named {
  name: string
  weight: number
}

const NAMES = PLUGINS.map(({ name }) => name)
const DEFAULTS: readonly Named[] = PLUGINS.map(({ name, weight = 0 }) => ({ name, weight }))
/** The second is nothing without the first. */
const NEEDS: readonly [Point, Point][] = [
  ['preFilter', 'filter'],
  ['preScore', 'score'],
  ['reserve', 'preBind'],
  ['preBind', 'reserve'],
]

export function pluginLists(config: PluginsConfig, { at, errors }: { at: string; errors: FieldError[] }): PluginLists {
  for (const point of [...POINTS, 'multiPoint'] as const) check(point, config[point], `${at}.${point}`, errors)
  const multiPoint = merged(DEFAULTS, config.multiPoint)
  const lists = new Map(POINTS.map((point) => [point, expanded(point, multiPoint, config[point])] as const))
  if (lists.get('queueSort')!.size === 0) errors.push(invalid(`${at}.queueSort`, 'none', 'no queue sort plugin is enabled'))
  if (lists.get('bind')!.size === 0) errors.push(invalid(`${at}.bind`, 'none', 'at least one bind plugin is needed'))
  for (const [first, second] of NEEDS) {
    for (const { name, points } of PLUGINS) {
      if (!points.includes(first) || lists.get(first)!.has(name) || !lists.get(second)!.has(name)) continue
      errors.push(invalid(`${at}.${first}`, name, `${second} of this plugin needs its ${first}: enable or disable both`))
    }
  }
  return lists
}

function check(point: Point | 'multiPoint', { enabled = [], disabled = [] }: PluginSet = {}, at: string, errors: FieldError[]): void {
  for (const [i, { name = '' }] of enabled.entries()) {
    const plugin = pluginNamed(name)
    if (!plugin) errors.push(notSupported(`${at}.enabled[${i}].name`, name, NAMES))
    else if (point !== 'multiPoint' && !plugin.points.includes(point))
      errors.push(invalid(`${at}.enabled[${i}].name`, name, `plugin does not extend ${point} plugin`))
    if (enabled.findIndex((one) => one.name === name) < i)
      errors.push(invalid(`${at}.enabled[${i}].name`, name, `plugin already registered as ${point}`))
  }
  for (const [i, { name = '' }] of disabled.entries()) {
    if (name !== '*' && !pluginNamed(name)) errors.push(notSupported(`${at}.disabled[${i}].name`, name, ['*', ...NAMES]))
  }
}

/** Disabled ones out, those spelled out in their place with their weight, new ones at the end. */
function merged(defaults: readonly Named[], { enabled = [], disabled = [] }: PluginSet = {}): Named[] {
  const own = enabled.map(({ name = '', weight = 0 }) => ({ name, weight }))
  const out = new Set(disabled.map(({ name }) => name))
  const kept = out.has('*') ? [] : defaults.filter(({ name }) => !out.has(name))
  const replaced = kept.map((one) => own.find(({ name }) => name === one.name) ?? one)
  return [...replaced, ...own.filter((one) => !replaced.includes(one))]
}

function expanded(
  point: Point,
  multiPoint: readonly Named[],
  { enabled = [], disabled = [] }: PluginSet = {},
): ReadonlyMap<string, number> {
  const takesPart = ({ name }: Named) => pluginNamed(name)?.points.includes(point) ?? false
  const out = new Set(disabled.map(({ name }) => name))
  const own = enabled.map(({ name = '', weight = 0 }) => ({ name, weight }))
  const general = out.has('*') ? [] : multiPoint.filter((one) => takesPart(one) && !out.has(one.name))
  const overriding = own.filter(({ name }) => general.some((one) => one.name === name))
  const ordered = [
    ...overriding,
    ...general.filter(({ name }) => !own.some((one) => one.name === name)),
    ...own.filter((one) => !overriding.includes(one)),
  ]
  const multiWeight = (name: string) => multiPoint.find((one) => one.name === name)?.weight
  return new Map(ordered.map(({ name, weight }) => [name, weight || multiWeight(name) || 1]))
}
