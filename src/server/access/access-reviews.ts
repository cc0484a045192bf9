// "May I?": the reviews of authorization.k8s.io. Each asks the same authorizer every request goes through.
import type { Kind } from '#api/kind.ts'
import type { NonResourceAttributes, ResourceAttributes, SubjectAccessReviewStatus } from '#api/generated/types.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import { LocalSubjectAccessReview } from '#api/kinds/authorization/local-subject-access-review.ts'
import { SelfSubjectAccessReview } from '#api/kinds/authorization/self-subject-access-review.ts'
import { SelfSubjectRulesReview } from '#api/kinds/authorization/self-subject-rules-review.ts'
import { SubjectAccessReview } from '#api/kinds/authorization/subject-access-review.ts'
import { invalidError, StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { Authorizer, RequestAttributes, SubresourceHandler } from '#server/request.ts'
import { nodeOf } from './node-authorizer.ts'

interface Asked {
  resourceAttributes?: ResourceAttributes
  nonResourceAttributes?: NonResourceAttributes
}

export function accessReviews(authorizer: Authorizer): SubresourceHandler[] {
  return [
    {
      kind: SelfSubjectAccessReview,
      subresource: '',
      async create({ object, attributes }) {
        const review = object as SelfSubjectAccessReview
        refuse(SelfSubjectAccessReview, checkAsked(review.spec))
        return { ...review, status: statusOf(authorizer, attributes.user, review.spec) }
      },
    },
    {
      kind: SubjectAccessReview,
      subresource: '',
      async create({ object }) {
        const review = object as SubjectAccessReview
        refuse(SubjectAccessReview, [...checkAsked(review.spec), ...checkSubject(review.spec)])
        return { ...review, status: statusOf(authorizer, subjectOf(review.spec), review.spec) }
      },
    },
    {
      kind: LocalSubjectAccessReview,
      subresource: '',
      async create({ object, attributes }) {
        const review = object as LocalSubjectAccessReview
        const { spec } = review
        refuse(LocalSubjectAccessReview, [...checkAsked(spec), ...checkSubject(spec), ...checkLocal(spec)])
        if (spec.resourceAttributes?.namespace !== attributes.namespace)
          throw new StatusError('BadRequest', `spec.resourceAttributes.namespace must match namespace: ${attributes.namespace}`)
        return { ...review, status: statusOf(authorizer, subjectOf(spec), spec) }
      },
    },
    {
      kind: SelfSubjectRulesReview,
      subresource: '',
      async create({ object, attributes }) {
        const review = object as SelfSubjectRulesReview
        const namespace = review.spec?.namespace
        if (!namespace) throw new StatusError('BadRequest', 'no namespace on request')
        const rules = authorizer.rulesFor?.(attributes.user, namespace) ?? { resourceRules: [], nonResourceRules: [], incomplete: true }
        const evaluationError =
          nodeOf(attributes.user) === undefined ? {} : { evaluationError: 'node authorizer does not support user rule resolution' }
        return { ...review, status: { ...rules, ...evaluationError } } as SelfSubjectRulesReview
      },
    },
  ]
}

function statusOf(authorizer: Authorizer, user: UserInfo, asked: Asked): SubjectAccessReviewStatus {
  const { allowed, denied, reason } = authorizer.authorize(attributesOf(user, asked))
  return { allowed, ...(denied ? { denied } : {}), ...(reason ? { reason } : {}) }
}

function attributesOf(user: UserInfo, { resourceAttributes: resource, nonResourceAttributes: other }: Asked): RequestAttributes {
  const fieldSelector = selectorText(resource?.fieldSelector)
  const labelSelector = selectorText(resource?.labelSelector)
  return {
    user,
    verb: resource?.verb ?? other?.verb ?? '',
    isResourceRequest: resource !== undefined,
    path: other?.path ?? '',
    group: resource?.group ?? '',
    version: resource?.version ?? '',
    resource: resource?.resource ?? '',
    subresource: resource?.subresource ?? '',
    namespace: resource?.namespace ?? '',
    name: resource?.name ?? '',
    ...(fieldSelector ? { fieldSelector } : {}),
    ...(labelSelector ? { labelSelector } : {}),
  }
}

interface Selector {
  rawSelector?: string
  requirements?: { key: string; operator: string; values?: string[] }[]
}

/** Only what narrows the question is kept: requirements this does not know would widen it. */
function selectorText(selector: Selector | undefined): string | undefined {
  if (selector?.rawSelector !== undefined) return selector.rawSelector
  return selector?.requirements
    ?.filter(({ operator, values }) => operator === 'In' && values?.length === 1)
    .map(({ key, values }) => `${key}=${values![0]}`)
    .join(',')
}

function subjectOf(spec: SubjectAccessReview['spec']): UserInfo {
  const { user = '', groups = [], uid, extra } = spec
  return { username: user, groups, ...(uid ? { uid } : {}), ...(extra ? { extra: extra as Record<string, string[]> } : {}) }
}

function checkAsked({ resourceAttributes, nonResourceAttributes }: Asked): FieldError[] {
  if (resourceAttributes && nonResourceAttributes)
    return [invalid('spec.nonResourceAttributes', nonResourceAttributes, 'cannot be specified in combination with resourceAttributes')]
  if (resourceAttributes || nonResourceAttributes) return []
  return [invalid('spec.resourceAttributes', null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified')]
}

function checkSubject({ user = '', groups = [] }: SubjectAccessReview['spec']): FieldError[] {
  return user || groups.length > 0 ? [] : [invalid('spec.user', '', 'at least one of user or group must be specified')]
}

function checkLocal({ nonResourceAttributes }: Asked): FieldError[] {
  if (!nonResourceAttributes) return []
  return [invalid('spec.nonResourceAttributes', nonResourceAttributes, 'disallowed on this kind of request')]
}

function refuse(kind: Kind<any>, errors: FieldError[]): void {
  if (errors.length > 0) throw invalidError(kind, '', errors)
}
