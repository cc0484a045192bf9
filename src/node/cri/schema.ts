// The protocols spoken with the container runtime, read from the .proto files beside this one.
import { readFileSync } from 'node:fs'
import { type ProtoSchema, parseProto } from '#lib/grpc/proto-text.ts'

const FILES = ['runtime', 'events', 'content', 'images', 'leases']

export function loadSchema(): ProtoSchema {
  return parseProto(FILES.map((name) => readFileSync(new URL(`./proto/${name}.proto`, import.meta.url), 'utf8')).join('\n'))
}
