// Definitions that the client package has no class for: scalars with a form of their own, and types that decode themselves.

interface Unclassed {
  definition: string
  schema: Record<string, unknown>
  description: string
}

/** By message name. `any` and `format` say how a value is read. */
export const UNCLASSED: Record<string, Unclassed> = {
  'resource.Quantity': {
    definition: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
    schema: { type: 'string', format: 'quantity' },
    description:
      'An amount: a decimal number with an optional decimal (n u m k M G T P E) or binary (Ki Mi Gi Ti Pi Ei) suffix, or an exponent.',
  },
  'meta.v1.Time': {
    definition: 'io.k8s.apimachinery.pkg.apis.meta.v1.Time',
    schema: { type: 'string', format: 'date-time' },
    description: 'A moment in RFC 3339 form, to the second.',
  },
  'meta.v1.MicroTime': {
    definition: 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime',
    schema: { type: 'string', format: 'micro-time' },
    description: 'A moment in RFC 3339 form, to the microsecond.',
  },
  'intstr.IntOrString': {
    definition: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
    schema: { type: 'any', format: 'int-or-string' },
    description: 'Either a whole number of 32 bits or a string.',
  },
  'runtime.RawExtension': {
    definition: 'io.k8s.apimachinery.pkg.runtime.RawExtension',
    schema: { type: 'any' },
    description: 'An object of another kind, kept as it was given.',
  },
  'meta.v1.FieldsV1': {
    definition: 'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1',
    schema: { type: 'any' },
    description:
      'A set of fields as a trie: f:NAME for a field, k:KEYS for a list item by keys, v:VALUE for one by value, i:INDEX for one by position.',
  },
  'meta.v1.Patch': {
    definition: 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch',
    schema: { type: 'any' },
    description: 'The body of a PATCH request; its shape follows from the content type.',
  },
  'apiextensions.v1.JSON': {
    definition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON',
    schema: { type: 'any' },
    description: 'Any JSON value: null, true, false, number, string, list or object.',
  },
  'apiextensions.v1.JSONSchemaPropsOrArray': {
    definition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray',
    schema: { type: 'any', format: 'schema-or-array' },
    description: 'Either one schema or a list of schemas.',
  },
  'apiextensions.v1.JSONSchemaPropsOrBool': {
    definition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool',
    schema: { type: 'any', format: 'schema-or-bool' },
    description: 'Either a schema or true or false.',
  },
  'apiextensions.v1.JSONSchemaPropsOrStringArray': {
    definition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray',
    schema: { type: 'any', format: 'schema-or-strings' },
    description: 'Either a schema or a list of names.',
  },
  'apiextensions.v1.CustomResourceSubresourceStatus': {
    definition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceStatus',
    schema: { type: 'object' },
    description: 'Present: the kind has a status subresource. Holds nothing.',
  },
}
