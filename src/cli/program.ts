// The command line: flags are mapped onto actions here and nowhere else, and an action is loaded when it is asked for. Exit codes: 0 done, 1 something stood
// in the way, 2 a wrong word.
import { resolve } from 'node:path'
import { Command, CommanderError } from 'commander'
import { ACCESS_FLAGS, type Flag } from './access-flags.ts'
import { AUDIT_FLAGS } from './audit-flags.ts'
import { CommandError, UsageError } from './errors.ts'
import { defaultDataDirectory } from './instance.ts'
import { complain, say } from './output.ts'
import type { Platform } from './platform.ts'
import { CONTROLLERS_PORT, SCHEDULER_PORT, SIMULATED_NODES_PORT } from './pages-ports.ts'
import { versionText } from './version.ts'

/** Runs one command line (without node and script) and resolves to the exit code. */
export async function runProgram(words: readonly string[], platform: Platform): Promise<number> {
  try {
    await program(platform).parseAsync(words, { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof UsageError) {
      complain(error.message)
      return 2
    }
    if (error instanceof CommandError) {
      complain(error.message)
      return 1
    }
    // The system's own complaints name the file and what is wrong with it; anything else is a mistake of ours and shows its origin.
    if (error instanceof Error && 'syscall' in error) {
      complain(error.message)
      return 1
    }
    throw error
  }
}

type Add = (name: string, description: string) => Command

function program(platform: Platform): Command {
  const root = new Command('sampan')
    .description('A Kubernetes cluster in one process.')
    .usage('<command> [options]')
    .version(versionText(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'sampan: ')) })
    .configureHelp({
      subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map((one) => `<${one.name()}>`)].join(' '),
    })
    .showSuggestionAfterError()
    .addHelpText('after', '\n`sampan COMMAND --help` shows the options of a command. `sampan up` is all that most people need.')
  const add = addTo(root)
  root.commandsGroup('A cluster:')
  addCluster(add, platform)
  root.commandsGroup('What runs in it:')
  addImages(addTo(add('image', 'images of a running instance with a real node')), platform)
  addClock(addTo(add('clock', 'time of an instance with --clock virtual')), platform)
  root.commandsGroup('Its parts as processes of their own:')
  addParts(add, platform)
  root.commandsGroup('This program:')
  withDirectory(add('doctor', 'check what this machine has and lacks')).action(async (options) =>
    (await import('./doctor.ts')).doctor(options, platform),
  )
  add('version', 'print the version').action(() => say(versionText()))
  return root.helpCommand('help [command]', 'show what a command does')
}

/** What is wrong with a command line is followed by where its right words are. */
function addTo(parent: Command): Add {
  const path = parent.parent ? `sampan ${parent.name()}` : 'sampan'
  parent.showHelpAfterError(`Run \`${path} --help\` to see its commands.`)
  return (name, description) =>
    parent
      .command(name)
      .description(description)
      .helpOption('-h, --help', 'show this help')
      .helpCommand(false)
      .allowExcessArguments(false)
      .showHelpAfterError(`Run \`${path} ${name} --help\` to see what it takes.`)
}

function addCluster(add: Add, platform: Platform): void {
  const command = add('up', 'start a cluster and stay in front until Ctrl-C')
  withServer(command, () =>
    command
      .option('--nodes <what>', 'real (root on Linux), simulated[:N] or none; default: real where possible')
      .option('--clock <what>', 'real, or virtual: time stands still until `sampan clock advance` (simulated nodes only)', 'real')
      .option('--scheduler-config <file>', 'KubeSchedulerConfiguration: profiles, plugins, extenders', fullPath)
      .option('--yes', 'install missing Debian packages without asking'),
  ).action(async (options, self: Command) => (await import('./up.ts')).up({ ...options, flags: flagsOf(self) }, platform))
  withDirectory(add('down', 'stop a running instance in order')).action(async (options) =>
    (await import('./down.ts')).down(options, platform),
  )
  withDirectory(add('status', 'tell whether an instance runs, and how its nodes are')).action(async (options) =>
    (await import('./status.ts')).status(options, platform),
  )
  withDirectory(add('kubeconfig', 'print a kubeconfig for a running instance')).action(async (options) =>
    (await import('./kubeconfig.ts')).printKubeconfig(options, platform),
  )
  withDirectory(add('reset', 'delete an instance: all objects, containers and images'))
    .option('--yes', 'do not ask')
    .action(async (options) => (await import('./reset.ts')).reset(options, platform))
}

function addParts(add: Add, platform: Platform): void {
  withServer(add('server', 'start an API server alone')).action(async (options, self: Command) =>
    (await import('./up.ts')).up({ ...options, nodes: 'none', clock: 'real', serverOnly: true, flags: flagsOf(self) }, platform),
  )
  const withCluster = (command: Command) =>
    command.option('--kubeconfig <file>', "an administrator's access to the cluster; default: the user's own kubeconfig")
  const withPages = (command: Command, port: number) =>
    withCluster(command)
      .option('--bind-address <ip>', 'where health and metrics are served', '127.0.0.1')
      .option('--secure-port <n>', `their port, for HTTPS; 0: none (default: ${port}, where it is free)`)
      .option('--tls-cert-file <file>', 'certificate to serve them with; default: one made at the start')
      .option('--tls-private-key-file <file>', 'its key')
  withPages(add('controllers', 'run the controllers of a cluster, or stand by while another process does'), CONTROLLERS_PORT)
    .option('--pki-dir <dir>', "the API server's keys: with them certificate signing requests are signed")
    .action(async (options, self: Command) => (await import('./role.ts')).runControllers({ ...options, flags: flagsOf(self) }, platform))
  withPages(add('scheduler', 'run the scheduler of a cluster, or stand by while another process does'), SCHEDULER_PORT)
    .option('--config <file>', 'KubeSchedulerConfiguration: profiles, plugins, extenders', fullPath)
    .action(async (options, self: Command) => (await import('./role.ts')).runScheduler({ ...options, flags: flagsOf(self) }, platform))
  withPages(addTo(add('node', 'nodes that join a cluster'))('simulate', 'join simulated nodes, without containers'), SIMULATED_NODES_PORT)
    .option('--count <n>', 'how many', '1')
    .option('--name-prefix <text>', 'what their names begin with', 'simulated')
    .option('--first-subnet <n>', 'number of the first pod range to use; default: the first that nobody has')
    .action(async (options, self: Command) => (await import('./role.ts')).simulateNodes({ ...options, flags: flagsOf(self) }, platform))
}

function addClock(add: Add, platform: Platform): void {
  withDirectory(add('show', 'show what time it is there')).action(async (options) =>
    (await import('./clock.ts')).showClock(options, platform),
  )
  withDirectory(add('advance', 'move it on and do everything due'))
    .argument('<duration>', 'such as 90s, 1h30m, 24h or 7d')
    .action(async (duration, options) => (await import('./clock.ts')).advanceClock(duration, options, platform))
}

function addImages(add: Add, platform: Platform): void {
  withDirectory(add('load', 'load an OCI or docker-save archive'))
    .argument('<file.tar>', 'the archive')
    .action(async (file, options) => (await import('./image.ts')).loadImage(file, options, platform))
  withDirectory(add('list', 'list images')).action(async (options) => (await import('./image.ts')).listImages(options, platform))
  withDirectory(add('rm', 'remove an image'))
    .argument('<name>', 'as `sampan image list` shows it')
    .action(async (name, options) => (await import('./image.ts')).removeImage(name, options, platform))
  withDirectory(add('save', 'save an image as an OCI archive'))
    .argument('<name>', 'as `sampan image list` shows it')
    .argument('<file.tar>', 'the archive to write')
    .action(async (name, file, options) => (await import('./image.ts')).saveImage({ name, file }, options, platform))
}

function withDirectory(command: Command): Command {
  return command.option('--data-dir <dir>', 'which instance: its data directory', directory, defaultDataDirectory())
}

/** The options of an API server; what else the command takes is shown among the first of them. */
function withServer(command: Command, further: () => Command = () => command): Command {
  withDirectory(command)
    .option('--port <n>', 'port of the API on loopback; 0 picks a free one', '6443')
    .option('--kubeconfig <file>', "write the credentials there instead of into the user's own kubeconfig")
  further()
    .option('--detach', 'return once it is ready and leave it running')
    .optionsGroup('Storage:')
    .option('--store <what>', 'embedded (on disk), memory (gone at the end) or etcd:URL,URL...', 'embedded')
    .option('--etcd-cafile <file>', 'authority of the etcd cluster')
    .option('--etcd-certfile <file>', 'client certificate for etcd')
    .option('--etcd-keyfile <file>', 'its key')
    .option(
      '--encryption-provider-config <file>',
      "how objects are encrypted in the store; default: Secrets, with the cluster's own key",
      fullPath,
    )
    .option('--encryption-provider-config-automatic-reload', 'use that file again when it changes')
    .optionsGroup('Keys and certificates:')
    .option('--tls-san <names>', "further names and addresses that the server's certificate is for, with commas between")
    .option('--pki-dir <dir>', 'shared by the API servers of one cluster; default: pki in the data directory', fullPath)
  addFlags(command.optionsGroup('Access, with the flags of kube-apiserver:'), ACCESS_FLAGS)
  addFlags(command.optionsGroup('Audit, with the flags of kube-apiserver:'), AUDIT_FLAGS)
  return command
}

function addFlags(command: Command, flags: readonly Flag[]): void {
  for (const { flags: words, description, parse } of flags) command.option(words, description, parse)
}

/** Every flag of a command by its name, as it stands. */
function flagsOf(command: Command): Record<string, string> {
  const textOf = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value))
  return Object.fromEntries(
    command.options.map((option) => {
      const value: unknown = command.getOptionValue(option.attributeName())
      return [option.name(), value === undefined ? (option.isBoolean() ? 'false' : '') : textOf(value)]
    }),
  )
}

function directory(text: string): string {
  if (text === '') throw new UsageError('--data-dir is empty: name a directory')
  return resolve(text)
}

const fullPath = (text: string): string => resolve(text)
