/**
 * Enrichment from addresses: `LONGSHORE_ENRICHMENT=https://mirror.example/enrichment`, or a list of them with commas, so
 * that each publisher can be asked itself. The file names are those of a folder.
 *
 * Advisories are worth more than what is joined to them: a file that cannot be had, or is not what it should be, never
 * keeps a revision from being built. The last good one from the same addresses stays in use, and the log says so.
 */
import { createHash } from 'node:crypto'
import type { BlobStore } from '../blobs/port.ts'
import type { Clock } from '../clock.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { discard, readBody } from '../net/body.ts'
import { Http } from '../net/http.ts'
import { sendFollowing } from '../net/redirect.ts'
import {
  ENRICHMENT_FILES,
  type Enrichment,
  type EnrichmentFile,
  inflated,
  NO_ENRICHMENT,
  readEnrichment,
} from './enrichment.ts'

export const isAddress = (text: string): boolean => /^https?:\/\//.test(text)

interface Context {
  blobs: BlobStore
  limits: Limits
  clock: Pick<Clock, 'now'>
  log: (line: string) => void
}

/** What LONGSHORE_ENRICHMENT names: nothing, a directory, or addresses. */
export async function enrichmentOf(place: string | undefined, context: Context): Promise<Enrichment> {
  if (!place) return NO_ENRICHMENT
  return isAddress(place) ? fetchEnrichment(place, context) : readEnrichment(place, context.limits)
}

/** Never throws for what an address does. Throws `config-invalid` for what is none. */
async function fetchEnrichment(addresses: string, context: Context): Promise<Enrichment> {
  const bases = addresses.split(',').map(baseOf)
  const clients = new Map(bases.map((base) => [base, clientOf(base, context.limits)]))
  try {
    const read = <Key extends keyof Enrichment>(file: EnrichmentFile<Key>) => readFile(file, clients, context)
    return {
      severities: await read(ENRICHMENT_FILES.severities),
      kev: await read(ENRICHMENT_FILES.kev),
      epss: await read(ENRICHMENT_FILES.epss),
    }
  } finally {
    for (const http of clients.values()) http.close()
  }
}

function baseOf(text: string): URL {
  const address = text.trim()
  if (!isAddress(address) || !URL.canParse(address))
    throw new LongshoreError('config-invalid', `LONGSHORE_ENRICHMENT names "${address}", which is no https address`)
  return new URL(address.endsWith('/') ? address : `${address}/`)
}

/** As for LONGSHORE_ADVISORIES: plain http is for a mirror inside, and only that may be private. */
const clientOf = ({ protocol }: URL, limits: Limits): Http =>
  new Http({ limits, insecure: protocol === 'http:', allowPrivate: protocol === 'http:' })

type Clients = ReadonlyMap<URL, Http>

/** The newest file that is one, else the one kept, else nothing; only what could not be had is worth a line. */
async function readFile<Key extends keyof Enrichment>(
  file: EnrichmentFile<Key>,
  clients: Clients,
  { blobs, limits, clock, log }: Context,
): Promise<Enrichment[Key]> {
  const { key, what, parse } = file
  const places = [...clients.keys()].map(({ href }) => href).join(',')
  let why: string | undefined
  try {
    const found = await download(file, clients, limits)
    if (found) {
      const read = parse(textOf(found.bytes, found.url, limits), found.url)
      if (read.size === 0) throw invalid(`${found.url} holds nothing of what it should`)
      await keep(found.bytes, { key, places, at: clock.now() }, blobs)
      return read
    }
  } catch (error) {
    why = `${what} was not taken: ${error instanceof Error ? error.message : error}`
  }
  const kept = await recall(key, places, blobs)
  if (kept) {
    const day = new Date(kept.at).toISOString().slice(0, 10)
    log(`${why ?? `${what} is not at ${places} any more`}; ${what} of ${day} stays in use`)
    return parse(textOf(kept.bytes, places, limits), places)
  }
  if (why !== undefined) log(`${why}; the revision is built without ${what}`)
  return NO_ENRICHMENT[key]
}

const invalid = (sentence: string, cause?: unknown) => new LongshoreError('advisories-invalid', sentence, { cause })

function textOf(bytes: Buffer, where: string, { enrichmentBytesMax }: Limits): string {
  try {
    return inflated(bytes, enrichmentBytesMax)
  } catch (cause) {
    throw invalid(`${where} cannot be inflated, or to more than ${enrichmentBytesMax} bytes`, cause)
  }
}

/** The first of its names at the first address that has it; undefined when none does. Throws the first failure. */
async function download(
  { names }: EnrichmentFile,
  clients: Clients,
  { enrichmentBytesMax, enrichmentSecondsMax }: Limits,
): Promise<{ url: string; bytes: Buffer } | undefined> {
  let failure: unknown
  for (const [base, http] of clients)
    try {
      for (const name of names) {
        const url = new URL(name, base)
        const signal = AbortSignal.timeout(enrichmentSecondsMax * 1_000)
        const answer = await sendFollowing(http, { method: 'GET', url, signal })
        if (answer.status === 200)
          return { url: url.href, bytes: await readBody(answer.body, enrichmentBytesMax, url.href) }
        await discard(answer.body)
        if (answer.status !== 404 && answer.status !== 410) failure ??= invalid(`${url.href} answered ${answer.status}`)
      }
    } catch (error) {
      failure ??= error
    }
  if (failure !== undefined) throw failure
  return undefined
}

interface Kept {
  key: keyof Enrichment
  /** Where it is from: another setting means other files. */
  places: string
  /** When it was fetched, milliseconds since the epoch. */
  at: number
}

/** One blob, so that what describes it and what it is can never be of two downloads. */
const keptKey = (key: keyof Enrichment): string => `advisories/enrichment/${key}`
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function keep(bytes: Buffer, kept: Kept, blobs: BlobStore): Promise<void> {
  const head = Buffer.from(`${JSON.stringify({ ...kept, sha256: sha256(bytes) })}\n`)
  await blobs.put(keptKey(kept.key), Buffer.concat([head, bytes]), { contentType: 'application/octet-stream' })
}

async function recall(
  key: keyof Enrichment,
  places: string,
  blobs: BlobStore,
): Promise<{ at: number; bytes: Buffer } | undefined> {
  const blob = await blobs.get(keptKey(key))
  if (!blob) return undefined
  const end = blob.indexOf(0x0a)
  const bytes = Buffer.from(blob.buffer, blob.byteOffset + end + 1, blob.byteLength - end - 1)
  try {
    const head = JSON.parse(Buffer.from(blob.subarray(0, end)).toString('utf8')) as Kept & { sha256: string }
    return head.places === places && head.sha256 === sha256(bytes) ? { at: head.at, bytes } : undefined
  } catch {
    return undefined
  }
}
