/** The records of one ecosystem: out of its archive, or those of the last time with what has changed since. */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { readRecord } from './intake.ts'
import type { SourceMemory } from './memory.ts'
import { type PreparedRecord, prepare } from './prepared.ts'
import type { AdvisorySource } from './source.ts'

/** A record, or why there is none; `where` names it in a sentence. */
export type Read =
  | { where: string; prepared: PreparedRecord; problem?: undefined }
  | { where: string; problem: string; prepared?: undefined }

interface Asked {
  source: AdvisorySource
  ecosystem: string
  memory: SourceMemory
  limits: Limits
  log: (line: string) => void
}

function readOne(where: string, bytes: Buffer, limits: Limits): Read {
  const record = readRecord(bytes, limits.advisoryEventsMax)
  return 'problem' in record ? { where, problem: record.problem } : { where, prepared: prepare(record) }
}

/** Throws `advisories-invalid` when the archive is damaged or a changed record cannot be had. */
export async function* readArchive(asked: Asked): AsyncGenerator<Read> {
  const { source, ecosystem, limits } = asked
  const changed = yield* readKnown(asked)
  if (changed !== undefined) return
  for await (const found of source.records(ecosystem)) {
    const where = `${ecosystem}/all.zip: ${found.name.slice(0, 200)}`
    if ('problem' in found) yield { where: found.name.slice(0, 200), problem: found.problem }
    else if (found.name.endsWith('.json')) yield readOne(where, found.bytes, limits)
  }
}

/**
 * What is known and has not changed, then each changed record by itself. Returns how many those were, or undefined when
 * the archive has to be read: no list, nothing known, or so much that the archive costs less.
 */
async function* readKnown({ source, ecosystem, memory, limits, log }: Asked): AsyncGenerator<Read, number | undefined> {
  const listing = await source.listing?.(ecosystem)
  const known = listing && (await memory.recall(ecosystem))
  if (!listing || !known) return undefined
  const wanted = new Map(listing.times)
  for (const [modified, { record }] of known()) if (wanted.get(record.id) === modified) wanted.delete(record.id)
  if (wanted.size > limits.advisoryChangesMax) return undefined
  let kept = 0
  for (const [modified, prepared] of known()) {
    // One that is listed no longer is gone; one with another time comes below.
    if (listing.times.get(prepared.record.id) !== modified) continue
    kept++
    yield { where: prepared.record.id, prepared }
  }
  const ids = [...wanted.keys()]
  for (let at = 0; at < ids.length; at += limits.advisoryFetchesInParallelMax) {
    const some = ids.slice(at, at + limits.advisoryFetchesInParallelMax)
    const read = await Promise.all(some.map(async (id) => [id, await listing.record(id)] as const))
    for (const [id, bytes] of read) {
      if (!bytes)
        throw new LongshoreError(
          'advisories-invalid',
          `${source.name} lists ${id} of ${ecosystem} but does not have it; the current revision stays`,
        )
      yield readOne(`${ecosystem}/${id}.json`, bytes, limits)
    }
  }
  log(`${ecosystem}: ${kept} records as before, ${ids.length} fetched`)
  return ids.length
}
