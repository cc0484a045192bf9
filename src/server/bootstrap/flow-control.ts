// The default priority levels and flow schemas. Kept as they are here as long as their annotation says so; defaults there are no more are found.
import { equal } from '#api/equal.ts'
import type { FlowSchemaSpec, PolicyRulesWithSubjects, PriorityLevelConfigurationSpec } from '#api/generated/types.ts'
import { FlowSchema } from '#api/kinds/flowcontrol/flow-schema.ts'
import { PriorityLevelConfiguration } from '#api/kinds/flowcontrol/priority-level-configuration.ts'
import type { KubeObject } from '#api/object.ts'
import { formatTime } from '#lib/clock.ts'
import type { Desired } from './desired.ts'

const AUTOUPDATE = 'apf.kubernetes.io/autoupdate-spec'
/** These two, levels and schemas, are always as they are here, whatever the annotation says. */
const MANDATORY = new Set(['exempt', 'catch-all'])

/** name, shares, lendable percent, and queues, hand size, queue length where requests queue. */
const LEVELS: [name: string, shares: number, lendable: number, queuing?: [queues: number, handSize: number, lengthLimit: number]][] = [
  ['system', 30, 33, [64, 6, 50]],
  ['node-high', 40, 25, [64, 6, 50]],
  ['leader-election', 10, 0, [16, 4, 50]],
  ['workload-high', 40, 50, [128, 6, 50]],
  ['workload-low', 100, 90, [128, 6, 50]],
  ['global-default', 20, 50, [128, 6, 50]],
  ['catch-all', 5, 0],
]

type Subjects = PolicyRulesWithSubjects['subjects']
const group = (name: string) => ({ kind: 'Group', group: { name } })
const user = (name: string) => ({ kind: 'User', user: { name } })
const accounts = { kind: 'ServiceAccount', serviceAccount: { name: '*', namespace: 'kube-system' } }
const anyone: Subjects = [group('system:unauthenticated'), group('system:authenticated')]

const on = (verbs: string[], apiGroups: string[], resources: string[], where: { clusterScope?: true; namespaces?: string[] }) => ({
  verbs,
  apiGroups,
  resources,
  ...where,
})
const everything = on(['*'], ['*'], ['*'], { clusterScope: true, namespaces: ['*'] })
const anyPath = { verbs: ['*'], nonResourceURLs: ['*'] }
const all = (subjects: Subjects): PolicyRulesWithSubjects => ({ subjects, resourceRules: [everything], nonResourceRules: [anyPath] })

type SchemaRow = [name: string, level: string, precedence: number, distinguisher: string, rules: PolicyRulesWithSubjects[]]

const SCHEMAS: SchemaRow[] = [
  ['exempt', 'exempt', 1, '', [all([group('system:masters')])]],
  [
    'probes',
    'exempt',
    2,
    '',
    [{ subjects: anyone, nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }] }],
  ],
  [
    'system-leader-election',
    'leader-election',
    100,
    'ByUser',
    [
      {
        subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler'), accounts],
        resourceRules: [on(['get', 'create', 'update'], ['coordination.k8s.io'], ['leases'], { namespaces: ['*'] })],
      },
    ],
  ],
  [
    'system-node-high',
    'node-high',
    400,
    'ByUser',
    [
      {
        subjects: [group('system:nodes')],
        resourceRules: [
          on(['*'], [''], ['nodes', 'nodes/status'], { clusterScope: true }),
          on(['*'], ['coordination.k8s.io'], ['leases'], { namespaces: ['*'] }),
        ],
      },
    ],
  ],
  ['system-nodes', 'system', 500, 'ByUser', [all([group('system:nodes')])]],
  ['kube-controller-manager', 'workload-high', 800, 'ByNamespace', [all([user('system:kube-controller-manager')])]],
  ['kube-scheduler', 'workload-high', 800, 'ByNamespace', [all([user('system:kube-scheduler')])]],
  ['kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', [all([accounts])]],
  ['service-accounts', 'workload-low', 9000, 'ByUser', [all([group('system:serviceaccounts')])]],
  ['global-default', 'global-default', 9900, 'ByUser', [all(anyone)]],
  ['catch-all', 'catch-all', 10000, 'ByUser', [all(anyone)]],
]

export function flowControl(): Desired[] {
  const levels = LEVELS.map(([name, shares, lendable, queuing]) => {
    const limitResponse = queuing
      ? { type: 'Queue', queuing: { queues: queuing[0], handSize: queuing[1], queueLengthLimit: queuing[2] } }
      : { type: 'Reject' }
    return level(name, { type: 'Limited', limited: { nominalConcurrencyShares: shares, lendablePercent: lendable, limitResponse } })
  })
  const exempt = level('exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } })
  return [exempt, ...levels, ...SCHEMAS.map(schema)]
}

function level(name: string, spec: PriorityLevelConfigurationSpec): Desired<PriorityLevelConfiguration> {
  return { kind: PriorityLevelConfiguration, object: { metadata: metaOf(name), spec }, reconcile: reconcileSpec }
}

function schema([name, levelName, matchingPrecedence, distinguisher, rules]: SchemaRow) {
  const spec: FlowSchemaSpec = { priorityLevelConfiguration: { name: levelName }, matchingPrecedence, rules }
  if (distinguisher) spec.distinguisherMethod = { type: distinguisher }
  return { kind: FlowSchema, object: { metadata: metaOf(name), spec }, reconcile: reconcileSpec, status: markFound }
}

/** Its priority level is there: they are made together. */
function markFound(object: FlowSchema, now: number): void {
  const name = JSON.stringify(object.spec?.priorityLevelConfiguration.name)
  const message = `This FlowSchema references the PriorityLevelConfiguration object named ${name} and it exists`
  const lastTransitionTime = formatTime(now)
  object.status = { conditions: [{ type: 'Dangling', status: 'False', reason: 'Found', message, lastTransitionTime }] }
}

const metaOf = (name: string) => ({ name, annotations: { [AUTOUPDATE]: 'true' } })

type WithSpec = KubeObject & { spec?: FlowSchemaSpec | PriorityLevelConfigurationSpec }

/** The annotation tells whether the specification is kept as it is here; where it tells nothing, what nobody has changed yet is. */
function reconcileSpec(present: WithSpec, object: WithSpec): void {
  const meta = (present.metadata ??= {})
  const said = truthOf(meta.annotations?.[AUTOUPDATE])
  const kept = MANDATORY.has(meta.name ?? '') || (said ?? meta.generation === 1)
  if (said !== kept) meta.annotations = { ...meta.annotations, [AUTOUPDATE]: String(kept) }
  const spec = wantedSpec(present, object)
  if (kept && spec && !equal(present.spec, spec)) present.spec = spec
}

/** How much the exempt level has and lends is the cluster's to say. */
function wantedSpec({ spec: present }: WithSpec, { spec }: WithSpec): WithSpec['spec'] {
  if (!spec || !present || !('exempt' in spec) || !('exempt' in present) || !present.exempt) return spec
  const { nominalConcurrencyShares, lendablePercent } = present.exempt
  return {
    ...spec,
    exempt: {
      ...(nominalConcurrencyShares === undefined ? {} : { nominalConcurrencyShares }),
      ...(lendablePercent === undefined ? {} : { lendablePercent }),
    },
  }
}

/** As Go reads booleans. */
function truthOf(text: string | undefined): boolean | undefined {
  if (text !== undefined && /^(1|t|T|TRUE|true|True)$/.test(text)) return true
  return text !== undefined && /^(0|f|F|FALSE|false|False)$/.test(text) ? false : undefined
}

/** Whether it is left from another version's defaults: it says it follows them, and there is no such default. */
export function isLeftover({ metadata }: KubeObject, desired: readonly Desired[]): boolean {
  return truthOf(metadata?.annotations?.[AUTOUPDATE]) === true && !desired.some(({ object }) => object.metadata?.name === metadata?.name)
}
