/** Reads the fields of a request; what is missing or of the wrong kind is told in the service's words. */
import { invalidParameter, SqsError } from './errors.ts'

export type Input = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Input =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The body of a request. Throws SerializationException when it is not a JSON object. */
export function parseInput(body: string): Input {
  try {
    const value: unknown = JSON.parse(body === '' ? '{}' : body)
    if (isObject(value)) return value
  } catch {
    // told below, together with JSON that is no object
  }
  throw new SqsError('SerializationException', 'The request body is not a JSON object.')
}

export function textOf(input: Input, name: string): string | undefined {
  const value = input[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw invalidParameter(name, value, 'Must be a string.')
  return value
}

export function requiredText(input: Input, name: string): string {
  const value = textOf(input, name)
  if (value === undefined || value === '')
    throw new SqsError('MissingRequiredParameterException', `The request must contain the parameter ${name}.`)
  return value
}

export function integerOf(input: Input, name: string, min: number, max: number): number | undefined {
  const value = input[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw invalidParameter(name, value, `Must be an integer from ${min} to ${max}.`)
  return value
}

export function textsOf(input: Input, name: string): string[] {
  const value = input[name] ?? []
  if (!Array.isArray(value) || !value.every((v) => typeof v === 'string'))
    throw invalidParameter(name, value, 'Must be a list of strings.')
  return value
}

export function objectsOf(input: Input, name: string): Input[] {
  const value = input[name] ?? []
  if (!Array.isArray(value) || !value.every(isObject)) throw invalidParameter(name, value, 'Must be a list of objects.')
  return value
}

export function objectOf(input: Input, name: string): Input {
  const value = input[name] ?? {}
  if (!isObject(value)) throw invalidParameter(name, value, 'Must be an object.')
  return value
}

/** A map of strings, such as queue attributes and tags. */
export function textMapOf(input: Input, name: string): Record<string, string> {
  const entries = Object.entries(objectOf(input, name)).map(([key, value]) => {
    if (typeof value !== 'string') throw invalidParameter(`${name}.${key}`, value, 'Must be a string.')
    return [key, value] as const
  })
  return Object.fromEntries(entries)
}
