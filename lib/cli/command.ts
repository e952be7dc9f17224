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
  /** What stands for the value in the help: `DIR`. */
  value?: string
  help: string
}

export type Options = Record<string, Option>

/** The values of the options that were given. */
export type Given<T extends Options> = {
  [name in keyof T]?: T[name]['type'] extends 'boolean' ? boolean : string
}

export interface Command {
  /** Its words: `advisories update`. */
  name: string
  /** One line for the list of commands. */
  summary: string
  options: Options
  /** Sentences below the options in its own help. */
  notes: string[]
  /** Throws a LongshoreError, whose code is the exit code. */
  run(args: string[], terminal: Terminal): Promise<void>
}

/** A command whose `run` gets its options by name. */
export function defineCommand<const T extends Options>(definition: {
  name: string
  summary: string
  options: T
  notes: string[]
  run(given: Given<T>, terminal: Terminal): Promise<void>
}): Command {
  const { run, ...rest } = definition
  return { ...rest, run: (args, terminal) => run(readOptions(definition, args), terminal) }
}

/** Throws `malformed-request` with a sentence for an option that does not exist, has no value, or has one too many. */
function readOptions<T extends Options>({ name, options }: { name: string; options: T }, args: string[]): Given<T> {
  try {
    const { values } = parseArgs({ args, options, strict: true, allowPositionals: false })
    for (const [option, value] of Object.entries(values))
      if (value === '') throw new Error(`Option '--${option}' needs a value`)
    return values as Given<T>
  } catch (cause) {
    const [sentence = ''] = (cause as Error).message.split('. ')
    throw new LongshoreError('malformed-request', `${sentence}; see longshore ${name} --help`, { cause })
  }
}

const column = (text: string): string => text.padEnd(24)

export function helpOf({ name, summary, options, notes }: Command): string {
  const lines = Object.entries(options).map(
    ([option, { value, help }]) => `  ${column(`--${option}${value ? ` ${value}` : ''}`)}${help}`,
  )
  return [
    `longshore ${name} [options]`,
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
