// Paths that are not about objects: what groups, versions and resources there are, which release this is, whose tokens it signs.
import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from '#api/codec/media-type.ts'
import type { Group } from '#api/discovery/group-order.ts'
import { META } from './definition-names.ts'
import type { Operation, PathItem, Shape } from './model.ts'
import { prefixOf, rootOf, tagOf } from './operations.ts'

const MEDIA = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE]

/** Documents of version 3 are one per root; each of these paths is its own root, without the slashes around it. */
export function informationPaths(groups: readonly Group[]): PathItem[] {
  const paths = [
    get('/version/', {
      id: 'getCodeVersion',
      tag: 'version',
      description: 'get the version information for this server',
      shape: INFO,
      media: [JSON_TYPE],
    }),
    get('/.well-known/openid-configuration/', {
      id: 'getServiceAccountIssuerOpenIDConfiguration',
      tag: 'WellKnown',
      description: "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
      shape: 'string',
      media: [JSON_TYPE],
      consumes: [],
    }),
    get('/openid/v1/jwks/', {
      id: 'getServiceAccountIssuerOpenIDKeyset',
      tag: 'openid',
      description: 'get service account issuer OpenID JSON Web Key Set (contains public token verification keys)',
      shape: 'string',
      media: ['application/jwk-set+json'],
      consumes: [],
    }),
    get('/api/', { id: 'getCoreAPIVersions', tag: 'core', description: VERSIONS, shape: meta('APIVersions') }),
    get('/apis/', { id: 'getAPIVersions', tag: 'apis', description: VERSIONS, shape: meta('APIGroupList') }),
  ]
  for (const { name, versions } of groups) {
    if (name) {
      const prefix = prefixOf({ group: name, version: 'v' }).slice(0, -1)
      const tag = tagOf({ group: name, version: '' }).slice(0, -1)
      paths.push(
        get(`/apis/${name}/`, { id: `get${prefix}APIGroup`, tag, description: 'get information of a group', shape: meta('APIGroup') }),
      )
    }
    for (const { version } of versions) paths.push(resourcesPath({ group: name, version }))
  }
  return paths
}

/** The path that lists the resources of one group and version. */
export function resourcesPath(groupVersion: { group: string; version: string }): PathItem {
  return get(`${rootOf(groupVersion)}/`, {
    id: `get${prefixOf(groupVersion)}APIResources`,
    tag: tagOf(groupVersion),
    description: 'get available resources',
    shape: meta('APIResourceList'),
  })
}

const VERSIONS = 'get available API versions'
const INFO: Shape = { definition: 'io.k8s.apimachinery.pkg.version.Info' }
const meta = (kind: string): Shape => ({ definition: `${META}.${kind}` })

interface Facts {
  id: string
  tag: string
  description: string
  shape: Shape
  media?: readonly string[]
  consumes?: readonly string[]
}

function get(path: string, { id, tag, description, shape, media = MEDIA, consumes = media }: Facts): PathItem {
  const responses: Operation['responses'] = [
    [200, 'OK', shape],
    [401, 'Unauthorized'],
  ]
  return { path, operations: [{ method: 'get', id, description, tag, parameters: [], consumes, produces: media, responses }] }
}
