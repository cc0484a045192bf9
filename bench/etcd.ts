// Debian's etcd beside the cluster: the same number of create transactions on the same disk, through gRPC, as Kubernetes makes them.
import { credentials, loadPackageDefinition } from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import { startEtcd as startProcess } from '#store/etcd/testing.ts'

/** The few messages of etcd's v3 API that a "create if absent" needs; names and numbers are etcd's. */
const PROTOCOL = {
  nested: {
    etcdserverpb: {
      nested: {
        KV: { methods: { Txn: { requestType: 'TxnRequest', responseType: 'TxnResponse' } } },
        PutRequest: { fields: { key: { type: 'bytes', id: 1 }, value: { type: 'bytes', id: 2 } } },
        RequestOp: { oneofs: { request: { oneof: ['requestPut'] } }, fields: { requestPut: { type: 'PutRequest', id: 2 } } },
        Compare: {
          oneofs: { targetUnion: { oneof: ['modRevision'] } },
          fields: {
            result: { type: 'int32', id: 1 },
            target: { type: 'int32', id: 2 },
            key: { type: 'bytes', id: 3 },
            modRevision: { type: 'int64', id: 6 },
          },
        },
        TxnRequest: {
          fields: { compare: { rule: 'repeated', type: 'Compare', id: 1 }, success: { rule: 'repeated', type: 'RequestOp', id: 2 } },
        },
        TxnResponse: { fields: { succeeded: { type: 'bool', id: 2 } } },
      },
    },
  },
}
/** Compare.CompareTarget.MOD */
const MOD = 2

export interface Etcd extends AsyncDisposable {
  /** Creates a key that must not exist; resolves when it is durable. */
  create(key: string, value: Buffer): Promise<void>
}

export async function startEtcd(parent: string): Promise<Etcd> {
  const etcd = await startProcess(parent)
  const definition = loadPackageDefinition(fromJSON(PROTOCOL as never, { longs: Number })) as never as {
    etcdserverpb: { KV: new (target: string, credential: unknown) => KvClient }
  }
  const kv = new definition.etcdserverpb.KV(`${etcd.address.host}:${etcd.address.port}`, credentials.createInsecure())
  const create = (key: string, value: Buffer) =>
    new Promise<void>((resolve, reject) => {
      const name = Buffer.from(key)
      const request = { compare: [{ result: 0, target: MOD, key: name, modRevision: 0 }], success: [{ requestPut: { key: name, value } }] }
      kv.Txn(request, (error, answer) => (error ? reject(error) : answer.succeeded ? resolve() : reject(new Error(`${key} exists`))))
    })
  return {
    create,
    async [Symbol.asyncDispose]() {
      kv.close()
      await etcd[Symbol.asyncDispose]()
    },
  }
}

interface KvClient {
  Txn(request: unknown, done: (error: Error | null, answer: { succeeded: boolean }) => void): void
  close(): void
}
