// `sampan image`: what the runtime of a running instance has.
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { CommandError } from './errors.ts'
import { nothingRuns, runningInstance } from './instance.ts'
import { bytesText, say, table } from './output.ts'
import type { ImageTools, Platform } from './platform.ts'

interface Options {
  dataDir: string
}

export async function loadImage(file: string, options: Options, platform: Platform): Promise<void> {
  const path = resolve(file)
  if (!existsSync(path)) throw new CommandError(`${file}: no such file`)
  if (!statSync(path).isFile()) throw new CommandError(`${file} is not a file: an OCI or docker-save archive (.tar) is expected`)
  const names = await (await tools(options, platform)).load(path)
  for (const name of names) say(`loaded ${name}`)
}

export async function listImages(options: Options, platform: Platform): Promise<void> {
  const images = await (await tools(options, platform)).list()
  const rows = images.flatMap(({ id, names, sizeBytes }) =>
    (names.length > 0 ? names : ['<none>']).map((name) => [name, id.replace('sha256:', '').slice(0, 12), bytesText(sizeBytes)]),
  )
  say(
    table(
      ['IMAGE', 'ID', 'SIZE'],
      rows.toSorted((a, b) => a[0]!.localeCompare(b[0]!)),
    ),
  )
}

export async function removeImage(name: string, options: Options, platform: Platform): Promise<void> {
  await (await tools(options, platform)).remove(name)
  say(`removed ${name}`)
}

export async function saveImage({ name, file }: { name: string; file: string }, options: Options, platform: Platform): Promise<void> {
  await (await tools(options, platform)).save(name, resolve(file))
  say(`saved ${name} to ${file}`)
}

async function tools({ dataDir }: Options, platform: Platform): Promise<ImageTools> {
  const instance = runningInstance(dataDir)
  if (!instance) throw nothingRuns(dataDir)
  if (!instance.nodes?.includes('real'))
    throw new CommandError('this instance has no real node, so no images are kept: its simulated nodes run any image name')
  return platform.images(dataDir)
}
