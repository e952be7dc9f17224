/** What a command of `longshore` is, and how its arguments are read. */
import { parseArgs } from 'node:util'
import { LongshoreError } from '../errors.ts'

/** Where a command writes, and what it was given besides its arguments. Tests hand in their own. */
export interface Terminal {
  env: Record<string, string | undefined>
  /** Results, for other programs too. */
  out(line: string): void
  /** Progress and errors, for people. */
  err(line: string): void
}

interface Option {
  type: 'string' | 'boolean'
  /** May be given more than once. */
  multiple?: true
  /** What stands for the value in the help: `DIR`. */
  value?: string
  help: string
}

export type Options = Record<string, Option>

/** The values of the options that were given. */
export type Given<T extends Options> = {
  [name in keyof T]?: T[name]['type'] extends 'boolean' ? boolean : T[name]['multiple'] extends true ? string[] : string
}

export interface Command {
  /** Its words: `advisories update`. */
  name: string
  /** One line for the list of commands. */
  summary: string
  options: Options
  /** What stands for the one word behind the options, of a command that takes one: `IMAGE`. */
  operand?: string
  /** Sentences below the options in its own help. */
  notes: string[]
  /** The exit code, 0 when there is none. Throws a LongshoreError, whose code is the exit code. */
  run(args: string[], terminal: Terminal): Promise<number | undefined>
}

/** A command whose `run` gets its options by name. */
export function defineCommand<const T extends Options>(definition: {
  name: string
  summary: string
  options: T
  operand?: string
  notes: string[]
  run(given: Given<T>, terminal: Terminal, operand: string): Promise<number | undefined>
}): Command {
  const { run, ...rest } = definition
  return {
    ...rest,
    run(args, terminal) {
      const { given, operand } = readOptions(definition, args)
      return run(given, terminal, operand)
    },
  }
}

/**
 * Throws `malformed-request` with a sentence for an option that does not exist, has no value, or has one too many, and for
 * an operand that is missing.
 */
function readOptions<T extends Options>(
  { name, options, operand }: { name: string; options: T; operand?: string },
  args: string[],
): { given: Given<T>; operand: string } {
  try {
    const { values, positionals } = parseArgs({ args, options, strict: true, allowPositionals: operand !== undefined })
    for (const [option, value] of Object.entries(values))
      if ([value].flat().includes('')) throw new Error(`Option '--${option}' needs a value`)
    if (operand !== undefined && (positionals.length !== 1 || positionals[0] === ''))
      throw new Error(
        `${positionals.length > 1 ? `'${positionals[1]}' is one too many` : 'Something is missing'}: name one ${operand}`,
      )
    return { given: values as Given<T>, operand: positionals[0] ?? '' }
  } catch (cause) {
    const [sentence = ''] = (cause as Error).message.split('. ')
    throw new LongshoreError('malformed-request', `${sentence}; see longshore ${name} --help`, { cause })
  }
}

const column = (text: string): string => text.padEnd(24)

export function helpOf({ name, summary, options, operand, notes }: Command): string {
  const lines = Object.entries(options).map(
    ([option, { value, help }]) => `  ${column(`--${option}${value ? ` ${value}` : ''}`)}${help}`,
  )
  return [
    `longshore ${name} [options]${operand === undefined ? '' : ` ${operand}`}`,
    '',
    summary,
    '',
    'Options:',
    ...lines,
    `  ${column('--help')}Says this.`,
    ...(notes.length ? ['', ...notes] : []),
  ].join('\n')
}

export function overviewOf(commands: readonly Command[]): string {
  return [
    'longshore <command> [options]',
    '',
    'Commands:',
    ...commands.map(({ name, summary }) => `  ${column(name)}${summary}`),
    '',
    'longshore <command> --help says what a command takes.',
  ].join('\n')
}
