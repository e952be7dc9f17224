/** Message attributes: their form, their digest, and which of them a receiver asked for. */
import { createHash } from 'node:crypto'
import { invalidParameter, SqsError } from './errors.ts'
import { type Input, objectOf, textOf } from './input.ts'

interface MessageAttribute {
  DataType: string
  StringValue?: string
  /** Base64, as it stands in JSON. */
  BinaryValue?: string
}

export type MessageAttributes = Record<string, MessageAttribute>

/** Quota of SQS: "a message can have up to 10 attributes". */
const ATTRIBUTES_MAX = 10
const NAME = /^(?!aws\.|amazon\.|\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)$/i

/** Reads the attributes under `field`; undefined when there are none. */
export function readMessageAttributes(input: Input, field: string): MessageAttributes | undefined {
  const given = objectOf(input, field)
  const names = Object.keys(given)
  if (names.length === 0) return undefined
  if (names.length > ATTRIBUTES_MAX)
    throw invalidParameter(field, names.length, `A message has at most ${ATTRIBUTES_MAX} attributes.`)
  return Object.fromEntries(names.map((name) => [name, readAttribute(objectOf(given, name), name)]))
}

function readAttribute(input: Input, name: string): MessageAttribute {
  if (!NAME.test(name)) throw invalidParameter('MessageAttributeName', name, 'Not a valid attribute name.')
  const DataType = textOf(input, 'DataType') ?? ''
  const kind = DataType.split('.')[0]
  const StringValue = textOf(input, 'StringValue')
  const BinaryValue = textOf(input, 'BinaryValue')
  if (kind !== 'String' && kind !== 'Number' && kind !== 'Binary')
    throw invalidParameter(
      name,
      DataType,
      'The type of message (user) attribute must be one of String, Number, Binary, with an optional ".label".',
    )
  const value = kind === 'Binary' ? BinaryValue : StringValue
  if (value === undefined || value === '')
    throw invalidParameter(name, DataType, 'A message attribute must have a non-empty value of its type.')
  if (kind === 'Number' && !Number.isFinite(Number(value))) throw invalidParameter(name, value, 'Not a number.')
  return kind === 'Binary' ? { DataType, BinaryValue: value } : { DataType, StringValue: value }
}

/** Bytes that names, types and values add to the size of the message. */
export function attributesBytes(attributes: MessageAttributes | undefined): number {
  let bytes = 0
  for (const [name, attribute] of Object.entries(attributes ?? {}))
    bytes += Buffer.byteLength(name) + Buffer.byteLength(attribute.DataType) + bytesOf(attribute).length
  return bytes
}

/**
 * The digest SDKs compare: names in order; each name, type and value behind its length in four bytes, the value also
 * behind 1 (text) or 2 (binary). See "Calculating the MD5 message digest for message attributes" of the SQS guide.
 */
export function md5OfAttributes(attributes: MessageAttributes): string {
  const hash = createHash('md5')
  const add = (bytes: Buffer) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    hash.update(length).update(bytes)
  }
  for (const name of Object.keys(attributes).sort()) {
    const attribute = attributes[name]!
    add(Buffer.from(name))
    add(Buffer.from(attribute.DataType))
    hash.update(Buffer.from([attribute.BinaryValue === undefined ? 1 : 2]))
    add(bytesOf(attribute))
  }
  return hash.digest('hex')
}

const bytesOf = (attribute: MessageAttribute): Buffer =>
  attribute.BinaryValue === undefined
    ? Buffer.from(attribute.StringValue ?? '')
    : Buffer.from(attribute.BinaryValue, 'base64')

/** The attributes a receiver named: by name, by `prefix.*`, or all by `All` or `.*`; undefined when none is left. */
export function selectAttributes(all: MessageAttributes | undefined, names: string[]): MessageAttributes | undefined {
  if (!all || names.length === 0) return undefined
  if (names.includes('All') || names.includes('.*')) return all
  const wanted = (name: string) =>
    names.some((n) => n === name || (n.endsWith('.*') && name.startsWith(n.slice(0, -2))))
  const selected = Object.entries(all).filter(([name]) => wanted(name))
  return selected.length === 0 ? undefined : Object.fromEntries(selected)
}

/** The only system attribute a sender may set. Throws on any other. */
export function readTraceHeader(input: Input): MessageAttributes | undefined {
  const attributes = readMessageAttributes(input, 'MessageSystemAttributes')
  if (attributes && Object.keys(attributes).some((name) => name !== 'AWSTraceHeader'))
    throw new SqsError('InvalidParameterValueException', 'The only message system attribute is AWSTraceHeader.')
  return attributes
}
