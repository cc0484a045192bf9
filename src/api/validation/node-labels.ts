// Labels of nodes that have had other names for years: who still selects by the old ones is warned.
import type { LabelSelector, NodeSelectorTerm } from '#api/generated/types.ts'
import { labelValueMessages } from '#api/names.ts'

const DEPRECATED: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}

/** What a warning says of the label; undefined: nothing is wrong with it. */
export const nodeLabelWarning = (key: string): string | undefined => (Object.hasOwn(DEPRECATED, key) ? DEPRECATED[key] : undefined)

/** `values`: whether they are looked at too, where validation lets them pass. */
export function termWarnings({ matchExpressions }: NodeSelectorTerm, path: string, options: { values?: boolean } = {}): string[] {
  return (matchExpressions ?? []).flatMap(({ key, values }, index) => {
    const at = `${path}.matchExpressions[${index}]`
    const warning = nodeLabelWarning(key)
    const warnings = warning ? [`${at}.key: ${key} is ${warning}`] : []
    if (options.values)
      for (const [place, value] of (values ?? []).entries())
        for (const message of labelValueMessages(value)) warnings.push(`${at}.values[${place}]: ${value} is invalid, ${message}`)
    return warnings
  })
}

export function nodeSelectorWarnings(selector: LabelSelector | undefined, path: string): string[] {
  if (!selector) return []
  const { matchExpressions, matchLabels = {} } = selector
  const warnings = termWarnings({ matchExpressions: matchExpressions ?? [] }, path)
  for (const label of Object.keys(matchLabels)) {
    const warning = nodeLabelWarning(label)
    if (warning) warnings.push(`${path}.matchLabels.${label}: ${warning}`)
  }
  return warnings
}
