// Image names in full, as every runtime keeps them: `busybox` is `docker.io/library/busybox:latest`.

const DOMAIN = /^(localhost|[^/]*[.:][^/]*)$/
const HOST = /^(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(?::\d+)?$/
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^\w[\w.-]{0,127}$/
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}$/
const LENGTH_LIMIT = 255

/** Throws for what is not an image reference, in the words tools know. */
export function normaliseReference(reference: string): string {
  const [named = '', digest, ...rest] = reference.split('@')
  const slash = named.indexOf('/')
  const head = slash < 0 ? '' : named.slice(0, slash)
  const domain = slash >= 0 && (DOMAIN.test(head) || head.toLowerCase() !== head) ? head : ''
  const remainder = domain ? named.slice(slash + 1) : named
  const colon = remainder.indexOf(':')
  const path = colon < 0 ? remainder : remainder.slice(0, colon)
  const tag = colon < 0 ? undefined : remainder.slice(colon + 1)

  const wellFormed =
    (domain === '' || HOST.test(domain)) &&
    path.split('/').every((part) => REPOSITORY.test(part)) &&
    (tag === undefined || TAG.test(tag)) &&
    (digest === undefined || DIGEST.test(digest)) &&
    rest.length === 0 &&
    path.length <= LENGTH_LIMIT
  if (!wellFormed) throw new Error(`couldn't parse image name "${reference}": invalid reference format`)

  const fullDomain = domain === '' || domain === 'index.docker.io' ? 'docker.io' : domain
  const fullPath = fullDomain === 'docker.io' && !path.includes('/') ? `library/${path}` : path
  const suffix = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
  return `${fullDomain}/${fullPath}${suffix || ':latest'}`
}
