/** The `longshore` command. Exit codes are those of lib/errors.ts: 0 done, 1 failed, 2 usage, 4 not found, 6 network. */
import { asLongshoreError, ERRORS, LongshoreError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { advisoriesUpdate } from './advisories-update.ts'
import { type Command, helpOf, overviewOf, type Terminal } from './command.ts'
import { scan } from './scan.ts'

const COMMANDS: readonly Command[] = [scan, advisoriesUpdate]

const isHelp = (word: string | undefined): boolean => word === '--help' || word === '-h' || word === 'help'

function find(args: readonly string[]): { command: Command; rest: string[] } | undefined {
  for (const command of COMMANDS) {
    const words = command.name.split(' ')
    if (words.every((word, i) => args[i] === word)) return { command, rest: args.slice(words.length) }
  }
  return undefined
}

async function run(args: readonly string[], terminal: Terminal): Promise<number | undefined> {
  if (args.length === 0 || isHelp(args[0])) return said(overviewOf(COMMANDS), terminal)
  if (args[0] === '--version') return said(VERSION, terminal)
  const found = find(args)
  if (!found) {
    const words = args.filter((word) => !word.startsWith('-')).slice(0, 2)
    throw new LongshoreError('malformed-request', `There is no command "${words.join(' ')}"; see longshore --help`)
  }
  if (found.rest.some(isHelp)) return said(helpOf(found.command), terminal)
  return found.command.run(found.rest, terminal)
}

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
    return ERRORS[error.code].exit
  }
}
