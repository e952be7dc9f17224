/** Batches: at most ten entries with distinct ids, each of which succeeds or fails by itself. */
import { SqsError } from '../errors.ts'
import { type Input, objectsOf, requiredText } from '../input.ts'

const ENTRIES_MAX = 10
const ID = /^[A-Za-z0-9_-]{1,80}$/

/** The entries of a batch request. Throws when the batch as a whole is not acceptable; then nothing was done. */
export function batchEntries(input: Input): Input[] {
  const entries = objectsOf(input, 'Entries')
  if (entries.length === 0)
    throw new SqsError('EmptyBatchRequest', 'There should be at least one entry in the request.')
  if (entries.length > ENTRIES_MAX)
    throw new SqsError(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${ENTRIES_MAX}. You have sent ${entries.length}.`,
    )
  const ids = new Set<string>()
  for (const entry of entries) {
    const id = requiredText(entry, 'Id')
    if (!ID.test(id))
      throw new SqsError(
        'InvalidBatchEntryId',
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
      )
    if (ids.has(id)) throw new SqsError('BatchEntryIdsNotDistinct', `Id ${id} repeated.`)
    ids.add(id)
  }
  return entries
}

interface Failure {
  Id: unknown
  Code: string
  Message: string
  SenderFault: boolean
}

/** Does each entry; an SqsError fails that entry only. */
export function eachEntry(
  entries: Input[],
  act: (entry: Input) => object,
): { Successful: object[]; Failed?: Failure[] } {
  const Successful: object[] = []
  const Failed: Failure[] = []
  for (const entry of entries) {
    try {
      Successful.push({ Id: entry.Id, ...act(entry) })
    } catch (error) {
      if (!(error instanceof SqsError)) throw error
      const SenderFault = error.row.status < 500
      Failed.push({ Id: entry.Id, Code: error.row.query, Message: error.message, SenderFault })
    }
  }
  return Failed.length === 0 ? { Successful } : { Successful, Failed }
}
