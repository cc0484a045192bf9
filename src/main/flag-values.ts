// What files say that flags name: what is wrong with it is told beside the flag.
import { readNamedFile } from '#cli/named-file.ts'
import { UsageError } from '#cli/errors.ts'
import { ConfigurationError } from '#api/configuration-file.ts'

/** What the file holds, parsed. Throws UsageError. */
export function parsed<T>(flag: string, file: string, parse: (text: string) => T | Promise<T>): Promise<T> {
  return toldBeside(flag, file, () => parse(readNamedFile(flag, file)))
}

/** A ConfigurationError becomes a UsageError that names the flag and its value. */
export async function toldBeside<T>(flag: string, value: string, make: () => T | Promise<T>): Promise<T> {
  try {
    return await make()
  } catch (error) {
    if (error instanceof ConfigurationError) throw new UsageError(`${flag} ${value}: ${error.message.replace(`${value}: `, '')}`)
    throw error
  }
}
