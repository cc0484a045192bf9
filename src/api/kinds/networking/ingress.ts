import { defineKind } from '#api/define-kind.ts'
import { type FieldError, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dnsLabel, dnsSubdomain, portName, portNumber, wildcardSubdomain } from '#api/names.ts'
import { checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
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
  warnings: ({ metadata }) =>
    metadata?.annotations?.[CLASS_ANNOTATION] === undefined
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

function hostsText({ spec }: Ingress): string {
  const hosts = (spec?.rules ?? []).map(({ host }) => host).filter((host): host is string => Boolean(host))
  if (hosts.length === 0) return '*'
  return hosts.length > 3 ? `${hosts.slice(0, 3).join(',')} + ${hosts.length - 3} more...` : hosts.join(',')
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
    each(status?.loadBalancer?.ingress, 'status.loadBalancer.ingress', ({ ip, hostname }, at) => {
      if (ip) checkMessages(`${at}.ip`, ip, ipMessages(ip), errors)
      if (hostname) checkMessages(`${at}.hostname`, hostname, dnsSubdomain(hostname), errors)
    })
    return errors
  }
  if (!spec.rules?.length && !spec.defaultBackend)
    errors.push(invalid('spec', spec.rules, 'either `defaultBackend` or `rules` must be specified'))
  if (spec.defaultBackend) checkBackend(spec.defaultBackend, 'spec.defaultBackend', errors)
  each(spec.rules, 'spec.rules', ({ host, http }, at) => {
    if (host) {
      checkHost(host, `${at}.host`, errors)
      if (familyOf(host)) errors.push(invalid(`${at}.host`, host, 'must be a DNS name, not an IP address'))
    }
    if (!http) return
    if (!http.paths?.length) errors.push(required(`${at}.http.paths`))
    each(http.paths, `${at}.http.paths`, (path, where) => checkPath(path, where, errors))
  })
  each(spec.tls, 'spec.tls', ({ hosts, secretName }, at) => {
    each(hosts, `${at}.hosts`, (host, where) => checkHost(host, where, errors))
    if (secretName) checkMessages(`${at}.secretName`, secretName, dnsSubdomain(secretName), errors)
  })
  if (spec.ingressClassName !== undefined)
    checkMessages('spec.ingressClassName', spec.ingressClassName, dnsSubdomain(spec.ingressClassName), errors)
  const annotated = metadata?.annotations?.[CLASS_ANNOTATION]
  if (!previous && annotated !== undefined && spec.ingressClassName !== undefined && annotated !== spec.ingressClassName)
    errors.push(invalid(`annotations.${CLASS_ANNOTATION}`, annotated, 'must match `ingressClassName` when both are specified'))
  return errors
}

function checkHost(host: string, path: string, errors: Errors): void {
  checkMessages(path, host, host.includes('*') ? wildcardSubdomain(host) : dnsSubdomain(host), errors)
}

function checkPath({ path = '', pathType, backend }: types.HTTPIngressPath, at: string, errors: Errors): void {
  if (!pathType) errors.push(required(`${at}.pathType`, 'pathType must be specified'))
  else checkOneOf(`${at}.pathType`, pathType, ['Exact', 'ImplementationSpecific', 'Prefix'], errors)
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!path.startsWith('/')) errors.push(invalid(`${at}.path`, path, 'must be an absolute path'))
    for (const part of DOUBTFUL) if (path.includes(part)) errors.push(invalid(`${at}.path`, path, `must not contain '${part}'`))
    for (const end of ['/..', '/.']) if (path.endsWith(end)) errors.push(invalid(`${at}.path`, path, `cannot end with '${end}'`))
  } else if (pathType === 'ImplementationSpecific' && path && !path.startsWith('/'))
    errors.push(invalid(`${at}.path`, path, 'must be an absolute path'))
  checkBackend(backend ?? {}, `${at}.backend`, errors)
}

function checkBackend({ service, resource }: types.IngressBackend, path: string, errors: Errors): void {
  if (service && resource) return void errors.push(invalid(path, '', 'cannot set both resource and service backends'))
  if (resource) {
    if (!resource.kind) errors.push(required(`${path}.resource.kind`))
    if (!resource.name) errors.push(required(`${path}.resource.name`))
    return
  }
  if (!service) return void errors.push(required(`${path}.service.name`))
  if (!service.name) errors.push(required(`${path}.service.name`))
  else checkMessages(`${path}.service.name`, service.name, dnsLabel(service.name), errors)
  const { name, number } = service.port ?? {}
  if (name && number) errors.push(invalid(path, '', 'cannot set both port name & port number'))
  else if (name) checkMessages(`${path}.service.port.name`, name, portName(name), errors)
  else if (number) checkMessages(`${path}.service.port.number`, number, portNumber(number), errors)
  else errors.push(required(path, 'port name or number is required'))
}
