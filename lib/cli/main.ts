/**
 * The `longshore` command. Exit codes are those of lib/errors.ts: 0 done, 2 usage, 4 not found, 5 credentials, 6 registry
 * or content. 1 is what a scan has found; what nobody foresaw must not look like it, and is 3.
 */
import { asLongshoreError, ERRORS, LongshoreError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { type Command, helpOf, overviewOf, type Terminal } from './command.ts'

interface Listed {
  /** Its words, as in the command. */
  name: string
  /** Only what runs is loaded. */
  load(): Promise<Command>
}

const COMMANDS: readonly Listed[] = [
  { name: 'scan', load: async () => (await import('./scan.ts')).scan },
  { name: 'advisories update', load: async () => (await import('./advisories-update.ts')).advisoriesUpdate },
]

const isHelp = (word: string | undefined): boolean => word === '--help' || word === '-h' || word === 'help'

function find(args: readonly string[]): { command: Listed; rest: string[] } | undefined {
  for (const command of COMMANDS) {
    const words = command.name.split(' ')
    if (words.every((word, i) => args[i] === word)) return { command, rest: args.slice(words.length) }
  }
  return undefined
}

async function run(args: readonly string[], terminal: Terminal): Promise<number | undefined> {
  const [first = '--help', ...more] = args
  if (isHelp(first)) {
    const asked = find(more)
    if (asked) return said(helpOf(await asked.command.load()), terminal)
    return said(overviewOf(await Promise.all(COMMANDS.map(({ load }) => load()))), terminal)
  }
  if (first === '--version' || first === '-v' || first === 'version') return said(VERSION, terminal)
  const found = find(args)
  if (!found) throw new LongshoreError('malformed-request', unknownCommand(args))
  const command = await found.command.load()
  if (found.rest.some(isHelp)) return said(helpOf(command), terminal)
  return command.run(found.rest, terminal)
}

/** Names the commands: there are few, and one of them is meant. */
function unknownCommand(args: readonly string[]): string {
  const names = COMMANDS.map(({ name }) => name)
  const words = args.filter((word) => !word.startsWith('-')).slice(0, 2)
  const [first] = words
  const see = 'see longshore --help'
  if (first === undefined) return `'${args[0]}' is no command; the commands are ${names.join(', ')}; ${see}`
  const longer = names.filter((name) => name.startsWith(`${first} `))
  return longer.length > 0
    ? `There is no command "${words.join(' ')}"; meant is perhaps longshore ${longer.join(' or longshore ')}; ${see}`
    : `There is no command "${words.join(' ')}"; the commands are ${names.join(', ')}; ${see}`
}

/** Of a scan that has found something. */
const FOUND = 1
const UNFORESEEN = 3

function said(text: string, terminal: Terminal): undefined {
  terminal.out(text)
}

/** Runs one command and returns the exit code. Never throws. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return (await run(args, terminal)) ?? 0
  } catch (thrown) {
    const error = asLongshoreError(thrown)
    terminal.err(`longshore: ${error.message}`)
    const { exit } = ERRORS[error.code]
    return exit === FOUND ? UNFORESEEN : exit
  }
}
