import assert from 'node:assert/strict'
import test from 'node:test'
import { StatusError } from './status.ts'
import { meaningOf, unexpectedAnswer, unexpectedCauses } from './unexpected-answer.ts'

for (const [code, text, said] of [
  [404, '404 page not found', 'the server could not find the requested resource'],
  [503, 'service unavailable', 'the server is currently unable to handle the request'],
  [500, 'it "broke"', 'an error on the server ("it \\"broke\\"") has prevented the request from succeeding'],
  [502, '', 'an error on the server ("unknown") has prevented the request from succeeding'],
  [403, 'not you', 'not you'],
  [415, '', 'unknown'],
  [418, 'a teapot', 'the server responded with the status code 418 but did not return more information'],
] as const)
  test(`unexpectedAnswer tells what ${code} means`, () => assert.equal(unexpectedAnswer(code, text), said))

test('meaningOf speaks for errors made from such an answer alone', () => {
  const made = new StatusError('ServiceUnavailable', 'service unavailable', { code: 503, details: unexpectedCauses('service unavailable') })
  assert.equal(meaningOf(made), 'the server is currently unable to handle the request')
  assert.equal(meaningOf(new StatusError('ServiceUnavailable', 'come back later')), undefined)
  assert.equal(meaningOf(new Error('no')), undefined)
})
