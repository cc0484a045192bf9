// What a namespace asks of its pods, from its labels and from what holds where they say nothing.
import { type FieldError, invalid } from '#api/field-error.ts'
import { checkSecurity, type Finding, LATEST, type SecurityLevel } from './pod-security-checks.ts'
import type { Pod } from '#api/generated/types.ts'

export type Mode = 'enforce' | 'audit' | 'warn'

export interface LevelVersion {
  level: SecurityLevel
  /** `latest` or `v1.N`. */
  version: string
}

export type PodSecurityPolicy = Record<Mode, LevelVersion>

export interface PodSecurityConfig {
  defaults: PodSecurityPolicy
  exemptions: { usernames: readonly string[]; runtimeClasses: readonly string[]; namespaces: readonly string[] }
}

export const MODES: readonly Mode[] = ['enforce', 'audit', 'warn']
const LEVELS: readonly SecurityLevel[] = ['privileged', 'baseline', 'restricted']
export const LEVEL_PROBLEM = `must be one of ${LEVELS.join(', ')}`
export const VERSION_PROBLEM = 'must be "latest" or "v1.x"'

const OPEN: LevelVersion = { level: 'privileged', version: 'latest' }

export const DEFAULT_POD_SECURITY: PodSecurityConfig = {
  defaults: { enforce: OPEN, audit: OPEN, warn: OPEN },
  exemptions: { usernames: [], runtimeClasses: [], namespaces: [] },
}

const PREFIX = 'pod-security.kubernetes.io/'
const VERSION = /^(latest|v1\.(0|[1-9]\d{0,5}))$/

export const isLevel = (text: string): text is SecurityLevel => LEVELS.includes(text as SecurityLevel)
export const isVersion = (text: string): boolean => VERSION.test(text)
export const spelled = ({ level, version }: LevelVersion): string => `${level}:${version}`
export const isStricter = (one: SecurityLevel, other: SecurityLevel): boolean => LEVELS.indexOf(one) > LEVELS.indexOf(other)

/** What cannot be read is enforced at its strictest, and neither warned about nor audited. */
export function policyOf(
  labels: Record<string, string> = {},
  defaults: PodSecurityPolicy,
): { policy: PodSecurityPolicy; errors: FieldError[] } {
  const errors: FieldError[] = []
  const read = (mode: Mode): LevelVersion => {
    let { level, version } = defaults[mode]
    const asked = labels[PREFIX + mode]
    if (asked !== undefined) {
      if (!isLevel(asked)) errors.push(invalid(`metadata.labels[${PREFIX}${mode}]`, asked, LEVEL_PROBLEM))
      level = isLevel(asked) ? asked : mode === 'enforce' ? 'restricted' : 'privileged'
    }
    const edition = labels[`${PREFIX}${mode}-version`]
    if (edition !== undefined) {
      if (!isVersion(edition)) errors.push(invalid(`metadata.labels[${PREFIX}${mode}-version]`, edition, VERSION_PROBLEM))
      version = isVersion(edition) ? edition : 'latest'
    }
    return { level, version }
  }
  return { policy: { enforce: read('enforce'), audit: read('audit'), warn: read('warn') }, errors }
}

export function findingsOf(pod: Pod, { level, version }: LevelVersion): Finding[] {
  return checkSecurity(pod, level, version === 'latest' ? LATEST : Number(version.slice('v1.'.length)))
}

/** Whether some mode was asked for by label, as a warning tells it: `enforce=baseline:latest`. */
export function asked(labels: Record<string, string> = {}, policy: PodSecurityPolicy): string {
  const said = MODES.filter((mode) => labels[PREFIX + mode] !== undefined || labels[`${PREFIX}${mode}-version`] !== undefined)
  return said
    .filter((mode) => policy[mode].level !== 'privileged')
    .map((mode) => `${mode}=${spelled(policy[mode])}`)
    .join(', ')
}
