// "May I?": the reviews of authorization.k8s.io. Each asks the same authorizer every request goes through.
import type { Kind } from '#api/kind.ts'
import type { NonResourceAttributes, ResourceAttributes, SubjectAccessReviewStatus } from '#api/generated/types.ts'
import type { FieldError } from '#api/field-error.ts'
import { LocalSubjectAccessReview } from '#api/kinds/authorization/local-subject-access-review.ts'
import { validateReview } from '#api/kinds/authorization/review-validation.ts'
import { SelfSubjectAccessReview } from '#api/kinds/authorization/self-subject-access-review.ts'
import { SelfSubjectRulesReview } from '#api/kinds/authorization/self-subject-rules-review.ts'
import { SubjectAccessReview } from '#api/kinds/authorization/subject-access-review.ts'
import { invalidError, StatusError } from '#api/status.ts'
import type { UserInfo } from '#client/client.ts'
import type { Authorizer, RequestAttributes, SubresourceHandler } from '#server/request.ts'
import { fieldSelectorOf, labelSelectorOf, type ReadSelector } from './review-selectors.ts'
import type { KubeObject } from '#api/object.ts'

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
        refuse(SelfSubjectAccessReview, validateReview(review.spec, review.metadata, {}))
        return { ...review, status: await statusOf(authorizer, attributes.user, review.spec) }
      },
    },
    {
      kind: SubjectAccessReview,
      subresource: '',
      async create({ object }) {
        const review = object as SubjectAccessReview
        refuse(SubjectAccessReview, validateReview(review.spec, review.metadata, { user: true }))
        return { ...review, status: await statusOf(authorizer, subjectOf(review.spec), review.spec) }
      },
    },
    {
      kind: LocalSubjectAccessReview,
      subresource: '',
      async create({ object, attributes }) {
        const review = object as LocalSubjectAccessReview
        const metadata = { ...review.metadata, namespace: review.metadata?.namespace || attributes.namespace }
        refuse(LocalSubjectAccessReview, validateReview(review.spec, metadata, { user: true, local: true }))
        if (metadata.namespace !== attributes.namespace)
          throw new StatusError('BadRequest', `spec.resourceAttributes.namespace must match namespace: ${attributes.namespace}`)
        return { ...review, metadata, status: await statusOf(authorizer, subjectOf(review.spec), review.spec) }
      },
    },
    {
      kind: SelfSubjectRulesReview,
      subresource: '',
      async create({ object, attributes }) {
        const namespace = (object as SelfSubjectRulesReview).spec?.namespace
        if (!namespace) throw new StatusError('BadRequest', 'no namespace on request')
        const rules = authorizer.rulesFor?.(attributes.user, namespace) ?? { resourceRules: [], nonResourceRules: [], incomplete: true }
        const { error, ...lists } = rules
        const { apiVersion, kind } = object!
        // What was asked is not repeated.
        return {
          apiVersion,
          kind,
          metadata: {},
          spec: {},
          status: { ...lists, ...(error ? { evaluationError: error } : {}) },
        } as KubeObject
      },
    },
  ]
}

async function statusOf(authorizer: Authorizer, user: UserInfo, asked: Asked): Promise<SubjectAccessReviewStatus> {
  const { fieldSelector: fields, labelSelector: labels } = asked.resourceAttributes ?? {}
  const selectors = {
    ...(fields ? { fieldSelector: fieldSelectorOf(fields) } : {}),
    ...(labels ? { labelSelector: labelSelectorOf(labels) } : {}),
  }
  const { allowed, denied, reason, error } = await authorizer.authorize(attributesOf(user, asked, selectors))
  const problems = [
    ...(error ? [error] : []),
    ...Object.entries(selectors).flatMap(([field, { ignored }]) =>
      ignored ? [`spec.resourceAttributes.${field} ${ignored} due to parse error`] : [],
    ),
  ]
  return {
    allowed,
    ...(denied ? { denied } : {}),
    ...(reason ? { reason } : {}),
    ...(problems.length > 0 ? { evaluationError: problems.join('; ') } : {}),
  }
}

type Selectors = { fieldSelector?: ReadSelector; labelSelector?: ReadSelector }

function attributesOf(
  user: UserInfo,
  { resourceAttributes: resource, nonResourceAttributes: other }: Asked,
  { fieldSelector, labelSelector }: Selectors,
): RequestAttributes {
  return {
    user,
    verb: resource?.verb ?? other?.verb ?? '',
    isResourceRequest: resource !== undefined,
    path: other?.path ?? '',
    group: resource?.group ?? '',
    version: resource ? resource.version || '*' : '',
    resource: resource?.resource ?? '',
    subresource: resource?.subresource ?? '',
    namespace: resource?.namespace ?? '',
    name: resource?.name ?? '',
    ...(fieldSelector?.text ? { fieldSelector: fieldSelector.text } : {}),
    ...(labelSelector?.text ? { labelSelector: labelSelector.text } : {}),
  }
}

function subjectOf(spec: SubjectAccessReview['spec']): UserInfo {
  const { user = '', groups = [], uid, extra } = spec
  return { username: user, groups, ...(uid ? { uid } : {}), ...(extra ? { extra: extra as Record<string, string[]> } : {}) }
}

function refuse(kind: Kind<any>, errors: FieldError[]): void {
  if (errors.length > 0) throw invalidError(kind, '', errors)
}
