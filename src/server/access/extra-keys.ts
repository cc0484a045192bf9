// Keys of a user's extra fields: `acme.com/project`, so that nobody's key is mistaken for another's.
import { dnsSubdomain } from '#api/names.ts'

const PATH = /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/

/** What is wrong with it, as upstream words it. */
export function domainPrefixedPath(key: string): string[] {
  const slash = key.indexOf('/')
  if (slash < 1 || slash === key.length - 1) return ['must be a domain-prefixed path (such as "acme.io/foo")']
  const problems = dnsSubdomain(key.slice(0, slash))
  return PATH.test(key.slice(slash + 1))
    ? problems
    : [...problems, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"]
}
