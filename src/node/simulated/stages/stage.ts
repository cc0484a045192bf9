// Stage: what happens to pods and nodes that are simulated, when, and after how long. A custom resource, so that it is written, watched and deleted
// like anything else. This is its form; what a stage does is played elsewhere.
import { defineKind } from '#api/define-kind.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import type { Condition, CustomResourceDefinition, JSONSchemaProps, LabelSelectorRequirement } from '#api/generated/types.ts'

export interface StageSpec {
  resource: 'Pod' | 'Node'
  /** Everything of the resource unless said. */
  selector?: {
    matchLabels?: Record<string, string>
    matchExpressions?: LabelSelectorRequirement[]
    matchAnnotations?: Record<string, string>
    namespaces?: string[]
  }
  /** CEL over `object` and `now` (RFC 3339): whether the object is at the point where the stage begins. */
  when?: string
  /** Of several stages an object fits, one is drawn by weight; 0 plays no part. */
  weight?: number
  delay?: { seconds?: number; jitterSeconds?: number }
  next: {
    /** Merged into the status, strategically. */
    status?: Record<string, unknown>
    /** CEL that makes what is merged into the status, after `status`. */
    statusExpression?: string
    /** Merged into labels and annotations; null takes one away. */
    labels?: Record<string, string | null>
    annotations?: Record<string, string | null>
    /** Put in and taken away. */
    finalizers?: { add?: string[]; remove?: string[] }
    /** Main containers of a pod, or the one named, end so once; the restart policy says what follows. */
    exit?: { container?: string; code: number; reason?: string }
    event?: { type?: 'Normal' | 'Warning'; reason: string; message?: string }
    delete?: boolean
  }
}

export interface Stage extends KubeObject {
  spec: StageSpec
  status?: { conditions?: Condition[] }
}

export const Stage: Kind<Stage> = defineKind<Stage>({
  group: 'sampan.dev',
  version: 'v1',
  kind: 'Stage',
  plural: 'stages',
  scope: 'Cluster',
})

const text: JSONSchemaProps = { type: 'string' }
const texts: JSONSchemaProps = { type: 'object', additionalProperties: text }
const expression = { type: 'string', maxLength: 10_000 }
const loose: JSONSchemaProps = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const seconds = { type: 'number', minimum: 0, maximum: 31_536_000 }
const said = (description: string, schema: JSONSchemaProps): JSONSchemaProps => ({ description, ...schema })
const object = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'object',
  properties,
  ...more,
})
const requirement = object({ key: text, operator: text, values: { type: 'array', items: text } }, { required: ['key', 'operator'] })

/** The CustomResourceDefinition of it. */
export const stageDefinition: CustomResourceDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'stages.sampan.dev' },
  spec: {
    group: 'sampan.dev',
    scope: 'Cluster',
    names: { plural: 'stages', singular: 'stage', kind: 'Stage', listKind: 'StageList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [
          { name: 'Resource', type: 'string', jsonPath: '.spec.resource' },
          { name: 'Delay', type: 'number', jsonPath: '.spec.delay.seconds' },
          { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: object(
            {
              spec: object(
                {
                  resource: said('What it happens to.', { type: 'string', enum: ['Pod', 'Node'] }),
                  selector: said(
                    'Which ones: all of it must hold. Every one unless said.',
                    object({
                      matchLabels: texts,
                      matchExpressions: { type: 'array', maxItems: 100, items: requirement },
                      matchAnnotations: texts,
                      namespaces: { type: 'array', maxItems: 100, items: text },
                    }),
                  ),
                  when: said('Where the stage begins: CEL over object and now (RFC 3339). An expression that fails means no.', expression),
                  weight: said('Of several stages an object fits one is drawn by weight; 0 plays no part.', {
                    type: 'integer',
                    minimum: 0,
                    maximum: 1_000_000,
                    default: 1,
                  }),
                  delay: said('How long it takes; up to jitterSeconds more by chance.', object({ seconds, jitterSeconds: seconds })),
                  next: object(
                    {
                      status: said('Merged into the status, strategically.', loose),
                      statusExpression: said('CEL that makes more to merge into the status.', expression),
                      labels: { type: 'object', additionalProperties: { ...text, nullable: true } },
                      annotations: { type: 'object', additionalProperties: { ...text, nullable: true } },
                      finalizers: said(
                        'Put in and taken away.',
                        object({ add: { type: 'array', maxItems: 20, items: text }, remove: { type: 'array', maxItems: 20, items: text } }),
                      ),
                      exit: said(
                        'Main containers of a pod, or the one named, end so once; the restart policy says what follows.',
                        object(
                          { container: text, code: { type: 'integer', minimum: 0, maximum: 255 }, reason: { ...text, maxLength: 1024 } },
                          { required: ['code'] },
                        ),
                      ),
                      event: object(
                        { type: { type: 'string', enum: ['Normal', 'Warning'], default: 'Normal' }, reason: text, message: text },
                        { required: ['reason'] },
                      ),
                      delete: said('Deletes it, as anybody might; a pod that is being deleted stays until then.', { type: 'boolean' }),
                    },
                    { minProperties: 1, description: 'What happens, if the object still fits when the delay is over.' },
                  ),
                },
                { required: ['resource', 'next'], description: 'What happens to simulated pods or nodes, and when.' },
              ),
              status: loose,
            },
            { required: ['spec'], description: 'Stage: something that happens to simulated pods or nodes. See docs/stages.md of Sampan.' },
          ),
        },
      },
    ],
  },
}
