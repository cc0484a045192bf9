import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, deflateRawSync } from 'node:zlib'
import { unzip } from './zip.ts'

interface File {
  name: string
  content: Buffer
  method?: number
  sum?: number
}

/** As `zip` writes it: local headers with extra fields that the listing does not have, and a comment at the end. */
function zip(files: readonly File[]): Buffer {
  const parts: Buffer[] = []
  const listing: Buffer[] = []
  let at = 0
  for (const { name, content, method = 8, sum = crc32(content) } of files) {
    const packed = method === 8 ? deflateRawSync(content) : content
    const sizes = Buffer.alloc(12)
    sizes.writeUInt32LE(sum, 0)
    sizes.writeUInt32LE(packed.length, 4)
    sizes.writeUInt32LE(content.length, 8)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(method, 8)
    sizes.copy(local, 14)
    local.writeUInt16LE(name.length, 26)
    local.writeUInt16LE(4, 28)
    const listed = Buffer.alloc(46)
    listed.writeUInt32LE(0x02014b50, 0)
    listed.writeUInt16LE(method, 10)
    sizes.copy(listed, 16)
    listed.writeUInt16LE(name.length, 28)
    listed.writeUInt32LE(at, 42)
    const whole = Buffer.concat([local, Buffer.from(name), Buffer.alloc(4), packed])
    at += whole.length
    parts.push(whole)
    listing.push(listed, Buffer.from(name))
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(files.length, 10)
  end.writeUInt32LE(at, 16)
  end.writeUInt16LE(5, 20)
  return Buffer.concat([...parts, ...listing, end, Buffer.from('hello')])
}

const LONG = Buffer.alloc(100_000, 'sampan ')

test('unzip answers the files asked for, stored or deflated', () => {
  const archive = zip([
    { name: 'a/long', content: LONG },
    { name: 'short', content: Buffer.from('short'), method: 0 },
    { name: 'other', content: Buffer.from('other') },
  ])
  const files = unzip(archive, ['a/long', 'short', 'missing'])
  assert.deepEqual([...files.keys()], ['a/long', 'short'])
  assert.ok(files.get('a/long')!.equals(LONG))
  assert.equal(files.get('short')!.toString(), 'short')
})

for (const [what, archive, message] of [
  ['no archive', Buffer.from('x'.repeat(100)), /it has no end/],
  ['nothing', Buffer.alloc(0), /it has no end/],
  ['a wrong sum', zip([{ name: 'a', content: LONG, sum: 1 }]), /a: its sum is not what the archive says/],
  ['another method', zip([{ name: 'a', content: LONG, method: 12 }]), /a: packed by method 12/],
] as const)
  test(`unzip refuses ${what}`, () => assert.throws(() => unzip(archive, ['a']), message))
