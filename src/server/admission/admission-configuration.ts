// Which admission plugins run, and the AdmissionConfiguration file that some of them take. What is not there is refused by name.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isObject } from '#api/clone.ts'
import { parseYaml, YamlError } from '#api/codec/yaml.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import { assertShape, ConfigurationError, parseConfiguration, refuseAll, type Shape } from '#api/configuration-file.ts'
import {
  DEFAULT_POD_SECURITY,
  isLevel,
  isVersion,
  LEVEL_PROBLEM,
  MODES,
  type PodSecurityConfig,
  VERSION_PROBLEM,
} from './pod-security-policy.ts'
import { type LimitedResource, limitedResources } from './limited-resources.ts'
import type { AdmissionPlugin } from '#server/request.ts'

export interface AdmissionOptions {
  /** Of those that are off by default. */
  enabled?: readonly string[]
  disabled?: readonly string[]
  podSecurity?: PodSecurityConfig
  /** For ResourceQuota: what may be used only where a quota covers it. */
  limitedResources?: LimitedResource[]
}

/** What the file may configure. */
type Configured = Pick<AdmissionOptions, 'podSecurity' | 'limitedResources'>

/** Upstream's plugins, of which those not here cannot be turned on. */
const UPSTREAM = new Set(
  (
    'AlwaysAdmit NamespaceAutoProvision NamespaceLifecycle NamespaceExists LimitPodHardAntiAffinityTopology LimitRanger ServiceAccount NodeRestriction ' +
    'TaintNodesByCondition AlwaysPullImages ImagePolicyWebhook PodSecurity PodNodeSelector Priority DefaultTolerationSeconds PodTolerationRestriction ' +
    'EventRateLimit ExtendedResourceToleration DefaultStorageClass StorageObjectInUseProtection PodGroupProtection OwnerReferencesPermissionEnforcement ' +
    'PersistentVolumeClaimResize RuntimeClass CertificateApproval CertificateSigning ClusterTrustBundleAttest CertificateSubjectRestriction ' +
    'DefaultIngressClass DenyServiceExternalIPs PodTopologyLabels PodGroupWorkloadExists NodeDeclaredFeatureValidator JobValidation PodResizeValidator ' +
    'MutatingAdmissionPolicy MutatingAdmissionWebhook ValidatingAdmissionPolicy ValidatingAdmissionWebhook ResourceQuota AlwaysDeny'
  ).split(' '),
)
/** On where upstream has them on, without anything to do here: their features are off. */
const IDLE = new Set(['PodGroupProtection', 'ClusterTrustBundleAttest', 'PodGroupWorkloadExists', 'JobValidation'])

/** Always on unless turned off, in the order they run. */
export const PRESENT = (
  'NamespaceLifecycle LimitRanger ServiceAccount NodeRestriction TaintNodesByCondition PodSecurity Priority DefaultTolerationSeconds DefaultStorageClass ' +
  'StorageObjectInUseProtection PersistentVolumeClaimResize RuntimeClass CertificateApproval CertificateSigning CertificateSubjectRestriction ' +
  'DefaultIngressClass PodTopologyLabels NodeDeclaredFeatureValidator PodResizeValidator MutatingAdmissionPolicy MutatingAdmissionWebhook ' +
  'ValidatingAdmissionPolicy ValidatingAdmissionWebhook ResourceQuota'
).split(' ')

/** On only if asked for. */
const OPTIONAL = new Set(['OwnerReferencesPermissionEnforcement'])

/** Throws ConfigurationError for names there are not, and for plugins that cannot be had. */
export function checkPluginNames({ enabled = [], disabled = [] }: { enabled?: readonly string[]; disabled?: readonly string[] }): void {
  const unknown = [...enabled, ...disabled].find((name) => !UPSTREAM.has(name))
  if (unknown !== undefined) throw new ConfigurationError(`${JSON.stringify(unknown)} is no admission plugin`)
  const both = enabled.find((name) => disabled.includes(name))
  if (both !== undefined) throw new ConfigurationError(`${both} in enable-admission-plugins and disable-admission-plugins overlapped`)
  const missing = enabled.find((name) => !PRESENT.includes(name) && !IDLE.has(name) && !OPTIONAL.has(name))
  if (missing !== undefined) throw new ConfigurationError(`admission plugin ${missing} is not supported`)
}

export function chosen(plugins: readonly AdmissionPlugin[], { enabled = [], disabled = [] }: AdmissionOptions): AdmissionPlugin[] {
  return plugins.filter(({ name }) => (OPTIONAL.has(name) ? enabled.includes(name) : !disabled.includes(name)))
}

const CONFIGURATION: Shape = { apiVersion: 'text', kind: 'text', plugins: [{ name: 'text', path: 'text', configuration: {} }] }
const MODE: Shape = 'text'
const POD_SECURITY: Shape = {
  apiVersion: 'text',
  kind: 'text',
  defaults: {
    enforce: MODE,
    'enforce-version': MODE,
    audit: MODE,
    'audit-version': MODE,
    warn: MODE,
    'warn-version': MODE,
  },
  exemptions: { usernames: ['text'], runtimeClasses: ['text'], namespaces: ['text'] },
}

/** Of the file at `path`; paths in it are relative to it. Throws ConfigurationError. */
export function readAdmissionConfiguration(path: string): Configured {
  const value = parseConfiguration(readText(path), { kind: 'AdmissionConfiguration' })
  const plugins = (Array.isArray(value['plugins']) ? value['plugins'] : []) as { name?: string; path?: string; configuration?: unknown }[]
  assertShape({ ...value, plugins: plugins.map((one) => ({ ...one, configuration: undefined })) }, CONFIGURATION)
  const found: Configured = {}
  for (const { name = '', path: file, configuration } of plugins) {
    if (!UPSTREAM.has(name)) throw new ConfigurationError(`plugins: ${JSON.stringify(name)} is no admission plugin`)
    const given = configuration ?? (file ? readYaml(resolve(dirname(path), file)) : undefined)
    if (name === 'PodSecurity') found.podSecurity = podSecurityConfig(given ?? {})
    else if (name !== 'ResourceQuota') throw new ConfigurationError(`plugins: ${name} takes no configuration here`)
    else if (given !== undefined) found.limitedResources = limitedResources(given)
  }
  return found
}

function podSecurityConfig(value: unknown): PodSecurityConfig {
  if (!isObject(value)) throw new ConfigurationError('plugins: the configuration of PodSecurity is no object')
  const { apiVersion = '', kind, defaults = {}, exemptions = {} } = value as Record<string, any>
  if (kind !== 'PodSecurityConfiguration' || !/^pod-security\.admission\.config\.k8s\.io\/v1(beta1|alpha1)?$/.test(apiVersion))
    throw new ConfigurationError('plugins: PodSecurity takes a PodSecurityConfiguration of pod-security.admission.config.k8s.io/v1')
  assertShape(value, POD_SECURITY)
  const errors: FieldError[] = []
  const read = (mode: string) => {
    const { [mode]: level = 'privileged', [`${mode}-version`]: version = 'latest' } = defaults as Record<string, string>
    if (!isLevel(level)) errors.push(invalid(`defaults.${mode}`, level, LEVEL_PROBLEM))
    if (!isVersion(version)) errors.push(invalid(`defaults.${mode}-version`, version, VERSION_PROBLEM))
    return [mode, { level, version }]
  }
  const modes = Object.fromEntries(MODES.map(read))
  refuseAll(errors)
  return { defaults: modes, exemptions: { ...DEFAULT_POD_SECURITY.exemptions, ...exemptions } }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigurationError((error as Error).message)
  }
}

function readYaml(path: string): unknown {
  try {
    return parseYaml(readText(path)).value
  } catch (error) {
    throw error instanceof YamlError ? new ConfigurationError(`${path}: ${error.message}`) : error
  }
}
