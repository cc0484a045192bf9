// What the file says to single plugins (pluginConfig): checked as upstream checks it, and turned into what the plugins take.
import { ConfigurationError, misfits, parseDuration, type Shape } from '#api/configuration-file.ts'
import type { NodeAffinity } from '#api/generated/types.ts'
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import { qualifiedName } from '#api/names.ts'
import { validateNodeAffinity } from '#api/validation/affinity.ts'
import type { DefaultConstraint } from '#scheduler/plugins/pod-topology-spread.ts'
import {
  leastAllocated,
  mostAllocated,
  requestedToCapacityRatio,
  type ScoringStrategy,
  type ShapePoint,
} from '#scheduler/scoring-strategy.ts'

export interface PluginConfig {
  name?: string
  args?: Record<string, unknown>
}

interface Args {
  /** Beside apiVersion and kind. */
  shape: { [field: string]: Shape }
  read(args: any, at: string, errors: FieldError[]): unknown
}

interface Resource {
  name?: string
  weight?: number
}

const RESOURCES: Shape = [{ name: 'text', weight: 'integer' }]

const REQUIREMENTS: Shape = [{ key: 'text', operator: 'text', values: ['text'] }]
const TERM: Shape = { matchExpressions: REQUIREMENTS, matchFields: REQUIREMENTS }
const AFFINITY: Shape = {
  requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [TERM] },
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 'integer', preference: TERM }],
}

const ARGS: Readonly<Record<string, Args>> = {
  NodeResourcesFit: {
    shape: {
      ignoredResources: ['text'],
      ignoredResourceGroups: ['text'],
      scoringStrategy: {
        type: 'text',
        resources: RESOURCES,
        requestedToCapacityRatio: { shape: [{ utilization: 'integer', score: 'integer' }] },
      },
    },
    read: readFit,
  },
  NodeResourcesBalancedAllocation: {
    shape: { resources: RESOURCES },
    read({ resources = [] }: { resources?: Resource[] }, at, errors) {
      for (const [i, { name = '', weight }] of resources.entries()) {
        if (resources.findIndex((one) => one.name === name) < i) errors.push(duplicate(`${at}.resources[${i}].name`, name))
        if ((weight || 1) !== 1) errors.push(invalid(`${at}.resources[${i}].weight`, weight, 'must be 1'))
      }
      return resources.length ? { resources: resources.map(({ name = '' }) => name) } : {}
    },
  },
  InterPodAffinity: {
    shape: { hardPodAffinityWeight: 'integer', ignorePreferredTermsOfExistingPods: 'flag' },
    read(args: { hardPodAffinityWeight?: number }, at, errors) {
      checkRange(`${at}.hardPodAffinityWeight`, args.hardPodAffinityWeight, errors)
      return args
    },
  },
  PodTopologySpread: {
    shape: {
      defaultConstraints: [
        {
          topologyKey: 'text',
          maxSkew: 'integer',
          minDomains: 'integer',
          whenUnsatisfiable: 'text',
          labelSelector: 'anything',
          matchLabelKeys: ['text'],
          nodeAffinityPolicy: 'text',
          nodeTaintsPolicy: 'text',
        },
      ],
      defaultingType: 'text',
    },
    read: readSpread,
  },
  NodeAffinity: {
    shape: { addedAffinity: AFFINITY },
    read({ addedAffinity }: { addedAffinity?: NodeAffinity }, at, errors) {
      if (!addedAffinity) return {}
      errors.push(...validateNodeAffinity(addedAffinity, `${at}.addedAffinity`))
      return { addedAffinity }
    },
  },
  VolumeBinding: {
    shape: { bindTimeoutSeconds: 'integer', shape: 'anything' },
    read({ bindTimeoutSeconds = 600, shape }: { bindTimeoutSeconds?: number; shape?: unknown }, at, errors) {
      if (!(bindTimeoutSeconds >= 0))
        errors.push(invalid(`${at}.bindTimeoutSeconds`, bindTimeoutSeconds, 'invalid BindTimeoutSeconds, should not be a negative value'))
      if (shape !== undefined)
        errors.push(invalid(`${at}.shape`, shape, 'unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring'))
      return { bindTimeoutMs: bindTimeoutSeconds * 1000 }
    },
  },
  DynamicResources: {
    shape: { filterTimeout: 'duration', bindingTimeout: 'duration' },
    read({ filterTimeout = '10s', bindingTimeout = '10m' }: { filterTimeout?: string; bindingTimeout?: string }, at, errors) {
      const [filterTimeoutMs, bindingTimeoutMs] = [parseDuration(filterTimeout), parseDuration(bindingTimeout)]
      if (filterTimeoutMs === undefined) errors.push(invalid(`${at}.filterTimeout`, filterTimeout, 'must be zero or positive'))
      if (bindingTimeoutMs === undefined || bindingTimeoutMs < 1000)
        errors.push(invalid(`${at}.bindingTimeout`, bindingTimeout, 'must be at least 1 second'))
      return { filterTimeoutMs, bindingTimeoutMs }
    },
  },
  DefaultPreemption: {
    shape: { minCandidateNodesPercentage: 'integer', minCandidateNodesAbsolute: 'integer' },
    read(args: { minCandidateNodesPercentage?: number; minCandidateNodesAbsolute?: number }, at, errors) {
      const { minCandidateNodesPercentage: share = 10, minCandidateNodesAbsolute: count = 100 } = args
      checkRange(`${at}.minCandidateNodesPercentage`, share, errors)
      if (!(count >= 0)) errors.push(invalid(`${at}.minCandidateNodesAbsolute`, count, 'not in valid range [0, inf)'))
      if (share === 0 && count === 0)
        errors.push(
          invalid(`${at}.minCandidateNodesPercentage`, share, 'cannot be zero at the same time as minCandidateNodesAbsolute'),
          invalid(`${at}.minCandidateNodesAbsolute`, count, 'cannot be zero at the same time as minCandidateNodesPercentage'),
        )
      return { minCandidateNodesPercentage: share, minCandidateNodesAbsolute: count }
    },
  },
}

/** By plugin, what it is made with. Throws ConfigurationError where a field is none. */
export function pluginArgs(
  configs: readonly PluginConfig[],
  { at, errors, apiVersion }: { at: string; errors: FieldError[]; apiVersion: string },
): Map<string, any> {
  const options = new Map<string, unknown>()
  for (const [i, { name = '', args: given = {} }] of configs.entries()) {
    const path = `${at}[${i}]`
    const args = Object.hasOwn(ARGS, name) ? ARGS[name] : undefined
    if (!args) {
      errors.push(notSupported(`${path}.name`, name, Object.keys(ARGS)))
      continue
    }
    if (options.has(name)) errors.push(duplicate(path, name))
    const { apiVersion: version = apiVersion, kind = `${name}Args`, ...fields } = given
    if (version !== apiVersion || kind !== `${name}Args`)
      throw new ConfigurationError(`${path}.args: no kind ${JSON.stringify(kind)} of ${JSON.stringify(version)} for plugin ${name}`)
    const wrong = misfits(fields, args.shape)
    if (wrong.length > 0)
      throw new ConfigurationError(
        `strict decoding error: decoding .${path}: strict decoding error: decoding args for plugin ${name}: strict decoding error: ${wrong.join(', ')}`,
      )
    options.set(name, args.read(fields, `${path}.args`, errors))
  }
  return options
}

interface FitArgs {
  ignoredResources?: string[]
  ignoredResourceGroups?: string[]
  scoringStrategy?: { type?: string; resources?: Resource[]; requestedToCapacityRatio?: { shape?: Partial<ShapePoint>[] } }
}

const STRATEGIES = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio']

function readFit({ ignoredResources, ignoredResourceGroups, scoringStrategy }: FitArgs, at: string, errors: FieldError[]): unknown {
  for (const [i, name] of (ignoredResources ?? []).entries())
    for (const why of qualifiedName(name)) errors.push(invalid(`${at}.ignoredResources[${i}]`, name, why))
  for (const [i, name] of (ignoredResourceGroups ?? []).entries()) {
    const path = `${at}.ignoredResourceGroups[${i}]`
    if (name.includes('/')) errors.push(invalid(path, name, "resource group name can't contain '/'"))
    else for (const why of qualifiedName(name)) errors.push(invalid(path, name, why))
  }
  const strategy = scoringStrategy && strategyOf(scoringStrategy, `${at}.scoringStrategy`, errors)
  return {
    ...(ignoredResources ? { ignoredResources } : {}),
    ...(ignoredResourceGroups ? { ignoredResourceGroups } : {}),
    ...(strategy ? { strategy } : {}),
  }
}

function strategyOf(
  { type = 'LeastAllocated', resources = [], requestedToCapacityRatio: ratio }: NonNullable<FitArgs['scoringStrategy']>,
  at: string,
  errors: FieldError[],
): ScoringStrategy | undefined {
  for (const [i, { name = '', weight = 1 }] of resources.entries())
    if (weight !== 0 && !(weight >= 1 && weight <= 100))
      errors.push(invalid(`${at}.resources[${i}].weight`, weight, `resource weight of ${name} not in valid range (0, 100]`))
  const weighed = resources.length ? resources.map(({ name = '', weight = 1 }) => ({ name, weight: weight || 1 })) : undefined
  if (ratio && type !== 'RequestedToCapacityRatio')
    errors.push(forbidden(`${at}.requestedToCapacityRatio`, `is for type RequestedToCapacityRatio only, not ${type}`))
  if (type === 'LeastAllocated') return leastAllocated(weighed)
  if (type === 'MostAllocated') return mostAllocated(weighed)
  if (type !== 'RequestedToCapacityRatio') {
    errors.push(notSupported(`${at}.type`, type, STRATEGIES))
    return undefined
  }
  const path = `${at}.shape`
  const shape = (ratio?.shape ?? []).map(({ utilization = 0, score = 0 }) => ({ utilization, score }))
  if (shape.length === 0) errors.push(required(path, 'at least one point must be specified'))
  for (const [i, { utilization, score }] of shape.entries()) {
    checkRange(`${path}[${i}].utilization`, utilization, errors)
    if (i > 0 && utilization <= shape[i - 1]!.utilization)
      errors.push(invalid(`${path}[${i}].utilization`, utilization, 'values must be sorted in increasing order'))
    if (!(score >= 0 && score <= 10)) errors.push(invalid(`${path}[${i}].score`, score, 'not in valid range [0, 10]'))
  }
  return shape.length ? requestedToCapacityRatio(shape, weighed) : undefined
}

const ACTIONS = ['DoNotSchedule', 'ScheduleAnyway']

interface SpreadArgs {
  defaultConstraints?: (DefaultConstraint & { labelSelector?: unknown })[]
  defaultingType?: string
}

function readSpread({ defaultConstraints = [], defaultingType = 'System' }: SpreadArgs, at: string, errors: FieldError[]): unknown {
  if (defaultingType !== 'System' && defaultingType !== 'List')
    errors.push(notSupported(`${at}.defaultingType`, defaultingType, ['System', 'List']))
  if (defaultingType === 'System' && defaultConstraints.length > 0)
    errors.push(invalid(`${at}.defaultingType`, defaultingType, 'when .defaultConstraints are not empty'))
  for (const [i, { topologyKey = '', maxSkew, whenUnsatisfiable, labelSelector }] of defaultConstraints.entries()) {
    const path = `${at}.defaultConstraints[${i}]`
    const before = defaultConstraints.slice(0, i)
    if (!topologyKey) errors.push(required(`${path}.topologyKey`, 'can not be empty'))
    else for (const why of qualifiedName(topologyKey)) errors.push(invalid(`${path}.topologyKey`, topologyKey, why))
    if (!(maxSkew > 0)) errors.push(invalid(`${path}.maxSkew`, maxSkew, 'not in valid range (0, inf)'))
    if (!whenUnsatisfiable) errors.push(required(`${path}.whenUnsatisfiable`, 'can not be empty'))
    else if (!ACTIONS.includes(whenUnsatisfiable)) errors.push(notSupported(`${path}.whenUnsatisfiable`, whenUnsatisfiable, ACTIONS))
    if (labelSelector !== undefined)
      errors.push(forbidden(`${path}.labelSelector`, 'constraint must not define a selector, as they deduced for each pod'))
    if (before.some((one) => one.topologyKey === topologyKey && one.whenUnsatisfiable === whenUnsatisfiable))
      errors.push(duplicate(path, `{${topologyKey}, ${whenUnsatisfiable}}`))
  }
  return defaultingType === 'List' ? { defaultConstraints } : {}
}

/** The same, in the words plugins have for it. */
function checkRange(field: string, value: number | undefined, errors: FieldError[]): void {
  if (value !== undefined && !(value >= 0 && value <= 100)) errors.push(invalid(field, value, 'not in valid range [0, 100]'))
}

export function checkPercentage(field: string, value: number | undefined, errors: FieldError[]): void {
  if (value !== undefined && !(value >= 0 && value <= 100)) errors.push(invalid(field, value, 'not in valid range [0-100]'))
}
