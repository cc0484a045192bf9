// `authorizer` in expressions: builds up what is asked, then asks whoever was injected. Each question has a price that allows two in one expression.
import { declare, type Declaration } from '#lib/cel/functions.ts'
import { opaque } from '#lib/cel/types.ts'
import { Failure, Foreign, type Value } from '#lib/cel/values.ts'

/** What is asked. `path` alone is a question about no resource; selectors are as they were written. */
export interface AuthorizationQuestion {
  verb: string
  path?: string
  group?: string
  version?: string
  resource?: string
  subresource?: string
  namespace?: string
  name?: string
  fieldSelector?: string
  labelSelector?: string
  /** Whoever is asked about, where that is not who made the request. */
  serviceAccount?: { namespace: string; name: string }
}
export interface AuthorizationAnswer {
  allowed: boolean
  reason: string
  /** The question could not be answered. */
  error?: string
}
/** Must answer at once: evaluation never waits. */
export type Authorize = (question: AuthorizationQuestion) => AuthorizationAnswer

const PACKAGE = 'kubernetes.authorization'
const names = ['Authorizer', 'PathCheck', 'GroupCheck', 'ResourceCheck', 'Decision'] as const
type Name = (typeof names)[number]

export const AUTHORIZER = opaque(`${PACKAGE}.Authorizer`)
/** Of the variable `authorizer.requestResource`. */
export const RESOURCE_CHECK = opaque(`${PACKAGE}.ResourceCheck`)

class Question extends Foreign {
  readonly typeName: string
  readonly authorize: Authorize
  readonly asked: Omit<AuthorizationQuestion, 'verb'>

  constructor(name: Name, authorize: Authorize, asked: Omit<AuthorizationQuestion, 'verb'> = {}) {
    super()
    this.typeName = `${PACKAGE}.${name}`
    this.authorize = authorize
    this.asked = asked
  }

  with(name: Name, more: Omit<AuthorizationQuestion, 'verb'>): Question {
    return new Question(name, this.authorize, { ...this.asked, ...more })
  }

  check(verb: string): Decision {
    return new Decision(this.authorize({ ...this.asked, verb }))
  }
}

class Decision extends Foreign {
  readonly typeName = `${PACKAGE}.Decision`
  readonly answer: AuthorizationAnswer

  constructor(answer: AuthorizationAnswer) {
    super()
    this.answer = answer
  }
}

export const authorizerValue = (authorize: Authorize): Value => new Question('Authorizer', authorize)
export const requestResourceValue = (authorize: Authorize, resource: Omit<AuthorizationQuestion, 'verb'>): Value =>
  new Question('ResourceCheck', authorize, resource)

const CHECK_COST = 350_000
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/

function method(from: Name, name: string, build: (question: Question, ...args: string[]) => Value, result: Name, args = 1): Declaration {
  const params = Array(args).fill('string').join(', ')
  return declare(`${PACKAGE}.${from}~${name}(${params}): ${PACKAGE}.${result}`, (_, question: Question, ...given: string[]) =>
    build(question, ...given),
  )
}

const setter = (name: 'subresource' | 'namespace' | 'name' | 'fieldSelector' | 'labelSelector'): Declaration =>
  method('ResourceCheck', name, (question, value) => question.with('ResourceCheck', { [name]: value }), 'ResourceCheck')

function serviceAccount(question: Question, namespace = '', name = ''): Value {
  if (namespace.length > 63 || !LABEL.test(namespace)) return new Failure(`invalid service account namespace`)
  if (name.length > 253 || !name.split('.').every((part) => LABEL.test(part))) return new Failure('Invalid service account name')
  return question.with('Authorizer', { serviceAccount: { namespace, name } })
}

const decision = (signature: string, read: (answer: AuthorizationAnswer) => Value): Declaration =>
  declare(`${PACKAGE}.Decision~${signature}`, (_, { answer }: Decision) => read(answer))

export const authorizerFunctions = (): Declaration[] => [
  method(
    'Authorizer',
    'path',
    (question, path = '') => (path.trim() === '' ? new Failure('path must not be empty') : question.with('PathCheck', { path })),
    'PathCheck',
  ),
  method('Authorizer', 'group', (question, group = '') => question.with('GroupCheck', { group }), 'GroupCheck'),
  method('Authorizer', 'serviceAccount', serviceAccount, 'Authorizer', 2),
  method(
    'GroupCheck',
    'resource',
    (question, resource = '') =>
      resource.trim() === '' ? new Failure('resource must not be empty') : question.with('ResourceCheck', { resource }),
    'ResourceCheck',
  ),
  ...(['subresource', 'namespace', 'name', 'fieldSelector', 'labelSelector'] as const).map(setter),
  ...(['PathCheck', 'ResourceCheck'] as const).map((type) =>
    declare(
      `${PACKAGE}.${type}~check(string): ${PACKAGE}.Decision`,
      (_, question: Question, verb) => question.check(verb),
      () => CHECK_COST,
    ),
  ),
  decision('allowed(): bool', ({ allowed }) => allowed),
  decision('reason(): string', ({ reason }) => reason),
  decision('errored(): bool', ({ error }) => error !== undefined),
  decision('error(): string', ({ error }) => error ?? ''),
]
