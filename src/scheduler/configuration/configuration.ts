// KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): read strictly, checked as upstream checks it. What this scheduler does not do is
// refused by name, never passed over.
import { assertShape, parseConfiguration, parseDuration, refuseAll, type Shape } from '#api/configuration-file.ts'
import { duplicate, type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { Plugin } from '#scheduler/plugin.ts'
import { type Point, POINTS, pluginNamed, PLUGINS } from '#scheduler/plugin-table.ts'
import { DEFAULT_SCHEDULER_NAME, type Profile } from '#scheduler/profile.ts'
import { EXTENDER_SHAPE, type ExtenderConfig, type ExtenderOptions, extendersOf } from '#scheduler/extenders/extender-options.ts'
import { checkPercentage, pluginArgs, type PluginConfig } from './plugin-args.ts'
import { type PluginLists, pluginLists, type PluginsConfig } from './plugin-sets.ts'

export interface LeaderElectionSettings {
  leaderElect: boolean
  leaseDurationMs: number
  renewDeadlineMs: number
  retryPeriodMs: number
  lease: { namespace: string; name: string }
}

export interface SchedulerConfiguration {
  /** At least one. */
  profiles: readonly Profile[]
  extenders: readonly ExtenderOptions[]
  podInitialBackoffMs: number
  podMaxBackoffMs: number
  /** Absent: the file does not say. */
  leaderElection?: LeaderElectionSettings
  /** Path of a kubeconfig. */
  kubeconfig?: string
}

interface ProfileConfig {
  schedulerName?: string
  percentageOfNodesToScore?: number
  plugins?: PluginsConfig
  pluginConfig?: PluginConfig[]
}

interface File {
  apiVersion: string
  parallelism?: number
  leaderElection?: Partial<
    Record<'leaseDuration' | 'renewDeadline' | 'retryPeriod' | 'resourceLock' | 'resourceName' | 'resourceNamespace', string>
  > & {
    leaderElect?: boolean
  }
  clientConnection?: { kubeconfig?: string; acceptContentTypes?: string; contentType?: string; qps?: number; burst?: number }
  enableProfiling?: boolean
  enableContentionProfiling?: boolean
  percentageOfNodesToScore?: number
  podInitialBackoffSeconds?: number
  podMaxBackoffSeconds?: number
  delayCacheUntilActive?: boolean
  profiles?: ProfileConfig[]
  extenders?: ExtenderConfig[]
}

const GROUP = 'kubescheduler.config.k8s.io'
const PLUGIN_SET: Shape = { enabled: [{ name: 'text', weight: 'integer' }], disabled: [{ name: 'text', weight: 'integer' }] }
const SHAPE: Shape = {
  apiVersion: 'text',
  kind: 'text',
  parallelism: 'integer',
  leaderElection: {
    leaderElect: 'flag',
    leaseDuration: 'duration',
    renewDeadline: 'duration',
    retryPeriod: 'duration',
    resourceLock: 'text',
    resourceName: 'text',
    resourceNamespace: 'text',
  },
  clientConnection: { kubeconfig: 'text', acceptContentTypes: 'text', contentType: 'text', qps: 'number', burst: 'integer' },
  enableProfiling: 'flag',
  enableContentionProfiling: 'flag',
  percentageOfNodesToScore: 'integer',
  podInitialBackoffSeconds: 'integer',
  podMaxBackoffSeconds: 'integer',
  delayCacheUntilActive: 'flag',
  profiles: [
    {
      schedulerName: 'text',
      percentageOfNodesToScore: 'integer',
      plugins: Object.fromEntries([...POINTS, 'multiPoint'].map((point) => [point, PLUGIN_SET])),
      pluginConfig: [{ name: 'text', args: 'anything' }],
    },
  ],
  extenders: [EXTENDER_SHAPE],
}
/** Of the period by which a leader tries again, at most so much more is waited. */
const RETRY_JITTER = 1.2
/** Upstream's own; how many nodes are examined at once changes nothing here: they are examined one after another. */
const PARALLELISM = 16

/** `readFile` is asked for certificates that extenders name. Throws ConfigurationError with every mistake. */
export function parseSchedulerConfiguration(text: string, readFile: (path: string) => string): SchedulerConfiguration {
  const value = parseConfiguration(text, { kind: 'KubeSchedulerConfiguration', group: GROUP, versions: ['v1'] })
  assertShape(value, SHAPE)
  const file = value as unknown as File
  const errors: FieldError[] = []
  refuseUnsupported(file, errors)
  const { podInitialBackoffSeconds: initial = 1, podMaxBackoffSeconds: max = 10, percentageOfNodesToScore } = file
  if (!(initial > 0)) errors.push(invalid('podInitialBackoffSeconds', initial, 'must be greater than 0'))
  if (max < initial) errors.push(invalid('podMaxBackoffSeconds', max, 'must be greater than or equal to PodInitialBackoffSeconds'))
  checkPercentage('percentageOfNodesToScore', percentageOfNodesToScore, errors)
  const extenders = extendersOf(file.extenders ?? [], { errors, readFile })
  const profiles = profilesOf(file, { errors, ignoredResources: extenders.flatMap((one) => one.ignoredResources) })
  const leaderElection = file.leaderElection && leaderElectionOf(file.leaderElection, errors)
  refuseAll(errors)
  return {
    profiles,
    extenders,
    podInitialBackoffMs: initial * 1000,
    podMaxBackoffMs: max * 1000,
    ...(leaderElection ? { leaderElection } : {}),
    ...(file.clientConnection?.kubeconfig ? { kubeconfig: file.clientConnection.kubeconfig } : {}),
  }
}

function refuseUnsupported({ clientConnection = {}, ...file }: File, errors: FieldError[]): void {
  const { kubeconfig: _, ...connection } = clientConnection
  for (const field of Object.keys(connection)) errors.push(forbidden(`clientConnection.${field}`, 'is not supported'))
  if (file.enableProfiling) errors.push(forbidden('enableProfiling', 'is not supported'))
  if (file.enableContentionProfiling) errors.push(forbidden('enableContentionProfiling', 'is not supported'))
  if (file.delayCacheUntilActive) errors.push(forbidden('delayCacheUntilActive', 'is not supported'))
  const { parallelism = PARALLELISM } = file
  if (!(parallelism > 0)) errors.push(invalid('parallelism', parallelism, 'should be an integer value greater than zero'))
  else if (parallelism !== PARALLELISM) errors.push(forbidden('parallelism', 'is not supported: nodes are examined one after another'))
}

function profilesOf(
  { apiVersion, profiles, percentageOfNodesToScore }: File,
  { errors, ignoredResources }: { errors: FieldError[]; ignoredResources: readonly string[] },
): Profile[] {
  const configs = profiles?.length ? profiles : [{}]
  const sorts = new Set<string>()
  const made = configs.map((config, i): Profile => {
    const at = `profiles[${i}]`
    // One profile needs no name; of several each must have its own.
    const schedulerName = config.schedulerName ?? (configs.length === 1 ? DEFAULT_SCHEDULER_NAME : '')
    if (!schedulerName) errors.push(required(`${at}.schedulerName`))
    else if (configs.slice(0, i).some((one) => one.schedulerName === schedulerName))
      errors.push(duplicate(`${at}.schedulerName`, schedulerName))
    checkPercentage(`${at}.percentageOfNodesToScore`, config.percentageOfNodesToScore, errors)
    const lists = pluginLists(config.plugins ?? {}, { at: `${at}.plugins`, errors })
    sorts.add([...lists.get('queueSort')!.keys()].join())
    const args = pluginArgs(config.pluginConfig ?? [], { at: `${at}.pluginConfig`, errors, apiVersion })
    if (ignoredResources.length) {
      const fit = args.get('NodeResourcesFit')
      args.set('NodeResourcesFit', { ...fit, ignoredResources: [...(fit?.ignoredResources ?? []), ...ignoredResources] })
    }
    const share = config.percentageOfNodesToScore ?? percentageOfNodesToScore
    return {
      schedulerName,
      plugins: errors.length ? [] : pluginsOf(lists, args),
      ...(lists.get('postFilter')!.has('DefaultPreemption') ? { preemption: args.get('DefaultPreemption') ?? {} } : {}),
      ...(share ? { percentageOfNodesToScore: share } : {}),
    }
  })
  if (sorts.size > 1) errors.push(invalid('profiles', [...sorts].join(' and '), 'queue sort plugins must be the same in all profiles'))
  return made
}

/** In the order of their filters; those that filter nothing come last. */
function pluginsOf(lists: PluginLists, args: ReadonlyMap<string, unknown>): Profile['plugins'] {
  const filters = [...lists.get('filter')!.keys()]
  const others = PLUGINS.map(({ name }) => name).filter((name) => !filters.includes(name))
  return [...filters, ...others].flatMap((name) => {
    const { make } = pluginNamed(name)!
    const at = (point: Point) => lists.get(point)!.has(name)
    if (!make || !POINTS.some(at)) return []
    return [{ plugin: limited(make(args.get(name) ?? {}), at), weight: lists.get('score')!.get(name) ?? 0 }]
  })
}

/** The plugin where it takes part, and nowhere else. */
function limited(plugin: Plugin, at: (point: Point) => boolean): Plugin {
  const { gates, filter, score, reserve, postFilter, ...rest } = plugin
  return {
    ...rest,
    ...(gates && at('preEnqueue') ? { gates } : {}),
    ...(filter && at('filter') ? { filter } : {}),
    ...(score && at('score') ? { score } : {}),
    ...(reserve && at('reserve') ? { reserve } : {}),
    ...(postFilter && at('postFilter') ? { postFilter } : {}),
  }
}

function leaderElectionOf(config: NonNullable<File['leaderElection']>, errors: FieldError[]): LeaderElectionSettings {
  const { leaderElect = true, resourceLock = 'leases', resourceName = 'kube-scheduler', resourceNamespace = 'kube-system' } = config
  const at = 'leaderElection'
  const wrong: FieldError[] = []
  const read = (field: 'leaseDuration' | 'renewDeadline' | 'retryPeriod', fallback: string) => {
    const ms = parseDuration(config[field] ?? fallback)
    if (!ms) wrong.push(invalid(`${at}.${field}`, config[field], 'must be greater than zero'))
    return ms ?? 0
  }
  const [leaseDurationMs, renewDeadlineMs, retryPeriodMs] = [
    read('leaseDuration', '15s'),
    read('renewDeadline', '10s'),
    read('retryPeriod', '2s'),
  ]
  if (leaseDurationMs <= renewDeadlineMs)
    wrong.push(invalid(`${at}.leaseDuration`, config.renewDeadline ?? '10s', 'LeaseDuration must be greater than RenewDeadline'))
  if (renewDeadlineMs <= retryPeriodMs * RETRY_JITTER)
    wrong.push(invalid(`${at}.renewDeadline`, config.renewDeadline ?? '10s', 'renewDeadline must be greater than retryPeriod*JitterFactor'))
  if (resourceLock !== 'leases') wrong.push(invalid(`${at}.resourceLock`, resourceLock, 'resourceLock value must be "leases"'))
  if (!resourceName) wrong.push(required(`${at}.resourceName`, 'resourceName is required'))
  if (!resourceNamespace) wrong.push(required(`${at}.resourceNamespace`, 'resourceNamespace is required'))
  const lease = { namespace: resourceNamespace, name: resourceName }
  // Whoever does not stand for election may say what he likes.
  if (leaderElect) errors.push(...wrong)
  return { leaderElect, leaseDurationMs, renewDeadlineMs, retryPeriodMs, lease }
}
