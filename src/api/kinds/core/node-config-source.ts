// What is left of configurations that kubelets once took from ConfigMaps: nobody acts on them, and they are still validated, on updates alone.
import { forbidden, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { configMapKey, dnsLabel, dnsSubdomain } from '#api/names.ts'
import { checkMessages, type Errors } from '#api/validation/checks.ts'

export function checkConfigSources({ spec, status }: types.Node, errors: Errors): void {
  checkSource(spec?.configSource, { at: 'spec.configSource', told: false, errors })
  for (const field of ['assigned', 'active', 'lastKnownGood'] as const)
    checkSource(status?.config?.[field], { at: `status.config.${field}`, told: true, errors })
}

interface Checking {
  at: string
  /** A status says which version of the ConfigMap it is, a spec may not. */
  told: boolean
  errors: Errors
}

function checkSource(source: types.NodeConfigSource | undefined, { at, told, errors }: Checking): void {
  if (!source) return
  const { configMap } = source
  if (!configMap) {
    errors.push(invalid(at, source, 'exactly one reference subfield must be non-nil'))
    return
  }
  for (const field of ['uid', 'resourceVersion'] as const) {
    const path = `${at}.configMap.${field}`
    if (told && !configMap[field]) errors.push(required(path, `${field} must be set in status`))
    if (!told && configMap[field]) errors.push(forbidden(path, `${field} must not be set in spec`))
  }
  const checks = { namespace: dnsLabel, name: dnsSubdomain, kubeletConfigKey: configMapKey }
  for (const [field, messages] of Object.entries(checks) as [keyof typeof checks, typeof dnsLabel][]) {
    const value = configMap[field]
    if (value) checkMessages(`${at}.configMap.${field}`, value, messages(value), errors)
    else errors.push(required(`${at}.configMap.${field}`, `${field} must be set`))
  }
}
