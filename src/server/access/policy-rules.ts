// RBAC rules: compiled for deciding, and compared for escalation. Knows nothing of roles, bindings and users.
import type { PolicyRule } from '#api/generated/types.ts'
import type { RequestAttributes } from '#server/request.ts'

/** undefined stands for "all". */
type Members = ReadonlySet<string> | undefined

export interface CompiledRule {
  verbs: Members
  groups: Members
  resources: Members
  names: Members
  urls: ReadonlySet<string>
  /** Of `/prefix*`, without the star. */
  urlPrefixes: readonly string[]
}

const members = (texts: readonly string[] | undefined): Members => (texts?.includes('*') ? undefined : new Set(texts))

export function compileRule(rule: PolicyRule): CompiledRule {
  const urls = rule.nonResourceURLs ?? []
  return {
    verbs: members(rule.verbs),
    groups: members(rule.apiGroups),
    resources: members(rule.resources),
    names: rule.resourceNames?.length ? new Set(rule.resourceNames) : undefined,
    urls: new Set(urls),
    urlPrefixes: urls.filter((url) => url.endsWith('*')).map((url) => url.slice(0, -1)),
  }
}

export function ruleAllows(rule: CompiledRule, request: RequestAttributes): boolean {
  if (rule.verbs && !rule.verbs.has(request.verb)) return false
  if (!request.isResourceRequest) return rule.urls.has(request.path) || rule.urlPrefixes.some((prefix) => request.path.startsWith(prefix))
  return (
    (!rule.groups || rule.groups.has(request.group)) &&
    (!rule.resources || resourceMatches(rule.resources, request.resource, request.subresource)) &&
    (!rule.names || rule.names.has(request.name))
  )
}

function resourceMatches(resources: ReadonlySet<string>, resource: string, subresource: string): boolean {
  if (subresource === '') return resources.has(resource)
  return resources.has(`${resource}/${subresource}`) || resources.has(`*/${subresource}`)
}

/** Rights that `wanted` grants and `held` does not, in their smallest parts. */
export function missingRights(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(partsOf).filter((part) => !held.some((rule) => covers(rule, part)))
}

function partsOf(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = []
  for (const verb of rule.verbs ?? []) {
    for (const group of rule.apiGroups ?? [])
      for (const resource of rule.resources ?? []) {
        const part = { apiGroups: [group], resources: [resource], verbs: [verb] }
        if (rule.resourceNames?.length) for (const name of rule.resourceNames) parts.push({ ...part, resourceNames: [name] })
        else parts.push(part)
      }
    for (const url of rule.nonResourceURLs ?? []) parts.push({ nonResourceURLs: [url], verbs: [verb] })
  }
  return parts
}

function covers(held: PolicyRule, part: PolicyRule): boolean {
  const has = (texts: readonly string[] | undefined, text: string) => !!texts && (texts.includes('*') || texts.includes(text))
  if (!has(held.verbs, part.verbs[0]!)) return false
  if (part.nonResourceURLs) {
    const url = part.nonResourceURLs[0]!
    return (held.nonResourceURLs ?? []).some((own) => own === url || (own.endsWith('*') && url.startsWith(own.slice(0, -1))))
  }
  const resource = part.resources![0]!
  const slash = resource.indexOf('/')
  const name = part.resourceNames?.[0]
  return (
    has(held.apiGroups, part.apiGroups![0]!) &&
    (has(held.resources, resource) || (slash > 0 && !!held.resources?.includes(`*${resource.slice(slash)}`))) &&
    (!held.resourceNames?.length || (name !== undefined && held.resourceNames.includes(name)))
  )
}

/** As refusals list missing rights: verbs of one resource gathered, each rule on a line, sorted. */
export function describeRules(parts: readonly PolicyRule[]): string {
  const gathered = new Map<string, PolicyRule>()
  for (const part of parts) {
    const key = JSON.stringify([part.apiGroups, part.resources, part.resourceNames, part.nonResourceURLs])
    const rule = gathered.get(key)
    if (rule && !part.nonResourceURLs) rule.verbs.push(...part.verbs)
    else gathered.set(rule ? JSON.stringify(part) : key, { ...part, verbs: [...part.verbs] })
  }
  return [...new Set([...gathered.values()].map(describeRule))].sort().join('\n')
}

function describeRule(rule: PolicyRule): string {
  const fields: [string, readonly string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ]
  return `{${fields.flatMap(([name, texts]) => (texts?.length ? [`${name}:${quotedList(texts)}`] : [])).join(', ')}}`
}

/** `["a" "b"]`: how messages list strings. */
export const quotedList = (texts: readonly string[]): string => `[${texts.map((text) => JSON.stringify(text)).join(' ')}]`
