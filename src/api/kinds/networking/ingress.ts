import { defineKind } from '#api/define-kind.ts'
import { type FieldError, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dnsLabel, dnsSubdomain, pathSegment, portName, portNumber, wildcardSubdomain } from '#api/names.ts'
import { checkMessages, checkName, checkRequired, each, type Errors } from '#api/validation/checks.ts'
import { familyOf, ipMessages } from '#api/validation/ip.ts'

export type Ingress = types.Ingress

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class'
const DOUBTFUL = ['//', '/./', '/../', '%2f', '%2F']

export const Ingress = defineKind<Ingress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  shortNames: ['ing'],
  scope: 'Namespaced',
  subresources: { status: { verbs: ['get', 'patch', 'update'] } },
  generationOf: ({ spec }) => spec,
  default(ingress) {
    ingress.status ??= {}
    ingress.status.loadBalancer ??= {}
  },
  validate: validateIngress,
  warnings: ({ metadata, spec }, previous) =>
    previous || metadata?.annotations?.[CLASS_ANNOTATION] === undefined || spec?.ingressClassName !== undefined
      ? []
      : ['annotation "kubernetes.io/ingress.class" is deprecated, please use \'spec.ingressClassName\' instead'],
  columns: columnsOf<Ingress>(
    {
      name: 'Class',
      description: 'Class of the controller that serves it.',
      value: ({ spec, metadata }) => spec?.ingressClassName ?? metadata?.annotations?.[CLASS_ANNOTATION] ?? '<none>',
    },
    { name: 'Hosts', description: 'Hosts it answers for.', value: hostsText },
    { name: 'Address', description: 'Where it is reached.', value: addressText },
    { name: 'Ports', description: 'Ports it is reached at.', value: ({ spec }) => (spec?.tls?.length ? '80, 443' : '80') },
  ),
})

const MOST_HOSTS = 3

function hostsText({ spec }: Ingress): string {
  const rules = spec?.rules ?? []
  const hosts = rules.flatMap(({ host }, at) => (host ? [{ host, at }] : []))
  if (hosts.length === 0) return '*'
  const shown = hosts.slice(0, MOST_HOSTS)
  const text = shown.map(({ host }) => host).join(',')
  // Rules without a host behind the last that is shown count, too.
  const last = shown.at(-1)!.at
  return shown.length === MOST_HOSTS && last < rules.length - 1 ? `${text} + ${rules.length - MOST_HOSTS} more...` : text
}

function addressText({ status }: Ingress): string {
  const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter(Boolean)
  return [...new Set(addresses)].toSorted().join(',')
}

function validateIngress(
  { spec = {}, status, metadata }: Ingress,
  previous: Ingress | undefined,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') {
    const known = previous?.status?.loadBalancer?.ingress?.map(({ ip }) => ip)
    each(status?.loadBalancer?.ingress, 'status.loadBalancer.ingress', ({ ip, hostname }, at) => {
      if (ip && !known?.includes(ip)) checkMessages(`${at}.ip`, ip, ipMessages(ip), errors)
      if (!hostname) return
      checkMessages(`${at}.hostname`, hostname, dnsSubdomain(hostname), errors)
      if (familyOf(hostname)) errors.push(invalid(`${at}.hostname`, hostname, NO_ADDRESS))
    })
    return errors
  }
  if (!spec.rules?.length && !spec.defaultBackend)
    errors.push(invalid('spec', spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified'))
  if (spec.defaultBackend) checkBackend(spec.defaultBackend, 'spec.defaultBackend', errors)
  // Faults of old rules with wildcards, and of old names of secrets, are lived with.
  const lenient = previous?.spec?.rules?.some((rule) => rule.host?.includes('*') && hasFaults(rule)) === true
  each(spec.rules, 'spec.rules', (rule, at) => {
    const host = rule.host ?? ''
    if (familyOf(host)) errors.push(invalid(`${at}.host`, host, NO_ADDRESS))
    if (host) checkHost(host, `${at}.host`, errors)
    if (!lenient || !host.includes('*')) checkRule(rule, at, errors)
  })
  const named = !previous?.spec?.tls?.some(({ secretName }) => secretName && dnsSubdomain(secretName).length > 0)
  each(spec.tls, 'spec.tls', ({ hosts, secretName }, at) => {
    each(hosts, `${at}.hosts`, (host, where) => checkHost(host, where, errors))
    if (secretName && named) checkMessages(`${at}.secretName`, secretName, dnsSubdomain(secretName), errors)
  })
  if (spec.ingressClassName !== undefined)
    checkMessages('spec.ingressClassName', spec.ingressClassName, dnsSubdomain(spec.ingressClassName), errors)
  const annotated = metadata?.annotations?.[CLASS_ANNOTATION]
  if (!previous && annotated !== undefined && spec.ingressClassName !== undefined && annotated !== spec.ingressClassName)
    errors.push(invalid(`annotations.${CLASS_ANNOTATION}`, annotated, 'must match `ingressClassName` when both are specified'))
  return errors
}

const NO_ADDRESS = 'must be a DNS name, not an IP address'
const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix']

function hasFaults(rule: types.IngressRule): boolean {
  const errors: Errors = []
  checkRule(rule, '', errors)
  return errors.length > 0
}

function checkRule({ http }: types.IngressRule, path: string, errors: Errors): void {
  if (!http) return
  checkRequired(`${path}.http.paths`, http.paths, errors)
  each(http.paths, `${path}.http.paths`, (one, at) => checkPath(one, at, errors))
}

function checkHost(host: string, path: string, errors: Errors): void {
  checkMessages(path, host, host.includes('*') ? wildcardSubdomain(host) : dnsSubdomain(host), errors)
}

function checkPath({ path = '', pathType, backend }: types.HTTPIngressPath, at: string, errors: Errors): void {
  if (pathType === undefined) return void errors.push(required(`${at}.pathType`, 'pathType must be specified'))
  const relative = () => errors.push(invalid(`${at}.path`, path, 'must be an absolute path'))
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!path.startsWith('/')) relative()
    for (const part of DOUBTFUL) if (path.includes(part)) errors.push(invalid(`${at}.path`, path, `must not contain '${part}'`))
    for (const end of ['/..', '/.']) if (path.endsWith(end)) errors.push(invalid(`${at}.path`, path, `cannot end with '${end}'`))
  } else if (pathType === 'ImplementationSpecific') {
    if (path && !path.startsWith('/')) relative()
  } else errors.push(notSupported(`${at}.pathType`, pathType, PATH_TYPES))
  checkBackend(backend ?? {}, `${at}.backend`, errors)
}

function checkBackend({ service, resource }: types.IngressBackend, path: string, errors: Errors): void {
  if (service && resource) return void errors.push(invalid(path, '', 'cannot set both resource and service backends'))
  if (resource) return checkReference(resource, `${path}.resource`, errors)
  if (!service) return void errors.push(invalid(path, '', 'resource or service backend is required'))
  checkName(`${path}.service.name`, service.name, dnsLabel, errors)
  const { name, number } = service.port ?? {}
  if (name && number) errors.push(invalid(path, '', 'cannot set both port name & port number'))
  else if (name) checkMessages(`${path}.service.port.name`, name, portName(name), errors)
  else if (number) checkMessages(`${path}.service.port.number`, number, portNumber(number), errors)
  else errors.push(required(path, 'port name or number is required'))
}

/** Of ingresses to resources, and of their classes to parameters. */
export function checkReference({ apiGroup, kind, name }: types.TypedLocalObjectReference, path: string, errors: Errors): void {
  if (apiGroup !== undefined) checkMessages(`${path}.apiGroup`, apiGroup, dnsSubdomain(apiGroup), errors)
  checkName(`${path}.kind`, kind, pathSegment, errors)
  checkName(`${path}.name`, name, pathSegment, errors)
}
