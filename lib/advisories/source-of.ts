/** What LONGSHORE_ADVISORIES names: a folder, an address that serves records as OSV's bucket does, or a trivy.db. */
import { randomUUID } from 'node:crypto'
import { open as openFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { Http } from '../net/http.ts'
import { sendFollowing } from '../net/redirect.ts'
import { type AdvisorySource, directorySource, type Listing } from './source.ts'
import { trivyDbSource } from './trivy-db.ts'
import { zipMembers } from './zip.ts'

/** What our inventories can be matched against; OSV publishes many more. */
export const DOWNLOADED_ECOSYSTEMS = [
  'AlmaLinux',
  'Alpine',
  'Azure Linux',
  'Chainguard',
  'Debian',
  'Go',
  'Mageia',
  'Maven',
  'MinimOS',
  'NuGet',
  'Packagist',
  'PyPI',
  'Red Hat',
  'Rocky Linux',
  'RubyGems',
  'SUSE',
  'Ubuntu',
  'Wolfi',
  'crates.io',
  'npm',
  'openSUSE',
] as const

/** Throws `config-invalid` for an empty text. */
export function sourceOf(text: string, limits: Limits): AdvisorySource {
  if (text === '')
    throw new LongshoreError('config-invalid', 'LONGSHORE_ADVISORIES is not set; name a folder or an https address')
  if (/^https?:\/\//.test(text)) return urlSource(text, limits)
  return text.endsWith('.db') ? trivyDbSource(text) : directorySource(text, limits)
}

/** Records that have such an id are not asked for one by one; the archive has them. */
const PLAIN_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,255}$/

/**
 * An address laid out as OSV's bucket (https://google.github.io/osv.dev/data/): `ecosystems.txt`, and per ecosystem
 * `all.zip`, `modified_id.csv` and `<id>.json`. Only `all.zip` must be there.
 */
function urlSource(address: string, limits: Limits): AdvisorySource {
  const base = new URL(address.endsWith('/') ? address : `${address}/`)
  const http = new Http({ limits, insecure: base.protocol === 'http:', allowPrivate: base.protocol === 'http:' })
  const urlOf = (...path: string[]) => new URL(path.map(encodeURIComponent).join('/'), base)
  return {
    name: base.href,
    async ecosystems() {
      const listed = await fetchSmall(urlOf('ecosystems.txt'), limits.advisoryRecordBytesMax)
      if (!listed) return [...DOWNLOADED_ECOSYSTEMS]
      const names = new Set(
        listed
          .toString('utf8')
          .split('\n')
          .map((name) => name.trim()),
      )
      const found = DOWNLOADED_ECOSYSTEMS.filter((name) => names.has(name))
      if (found.length === 0)
        throw new LongshoreError(
          'advisories-invalid',
          `${base.href}ecosystems.txt names no ecosystem that is known here; the current revision stays`,
        )
      return found
    },
    records: archive,
    listing,
  }

  /** Downloaded to a temporary file: a zip is read from its end. */
  async function* archive(ecosystem: string) {
    const path = join(tmpdir(), `longshore-${randomUUID()}.zip`)
    try {
      const url = urlOf(ecosystem, 'all.zip')
      await download(url, path)
      const file = await openFile(path)
      try {
        yield* zipMembers(file.fd, url.href, limits.advisoryRecordBytesMax, limits.advisoryRecordsMax)
      } finally {
        await file.close()
      }
    } finally {
      await rm(path, { force: true })
    }
  }

  /** Lines of `<ISO 8601>,<id>`, the newest first. One that cannot be read means that there is no list. */
  async function listing(ecosystem: string): Promise<Listing | undefined> {
    const csv = await fetchSmall(urlOf(ecosystem, 'modified_id.csv'), limits.advisoryListBytesMax)
    if (!csv) return undefined
    const times = new Map<string, number>()
    for (const line of csv.toString('utf8').split('\n')) {
      if (line.trim() === '') continue
      const [date = '', id = ''] = line.trim().split(',')
      const time = Date.parse(date)
      if (Number.isNaN(time) || !PLAIN_ID.test(id)) return undefined
      times.set(id, time)
    }
    if (times.size === 0) return undefined
    return {
      times,
      record: (id) => fetchSmall(urlOf(ecosystem, `${id}.json`), limits.advisoryRecordBytesMax),
    }
  }

  /** A whole answer; undefined when there is no such thing (404). Throws `advisories-invalid` otherwise. */
  async function fetchSmall(url: URL, bytesMax: number): Promise<Buffer | undefined> {
    const answer = await get(url)
    if (!answer) return undefined
    const chunks: Buffer[] = []
    for await (const chunk of bounded(url, answer, bytesMax)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  async function get(url: URL) {
    const answer = await sendFollowing(http, { method: 'GET', url })
    if (answer.status === 200) return answer
    answer.body.destroy()
    if (answer.status === 404) return undefined
    throw new LongshoreError('advisories-invalid', `${url.href} answered ${answer.status}; the current revision stays`)
  }

  /** The body, whose end is only good when it has as many bytes as were announced. */
  async function* bounded(url: URL, answer: NonNullable<Awaited<ReturnType<typeof get>>>, bytesMax: number) {
    let bytes = 0
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > bytesMax)
        throw new LongshoreError('advisories-invalid', `${url.href} is larger than ${bytesMax} bytes`)
      yield chunk
    }
    const announced = Number(answer.headers['content-length'] ?? Number.NaN)
    if (Number.isFinite(announced) && announced !== bytes)
      throw new LongshoreError('advisories-invalid', `${url.href} ended after ${bytes} of ${announced} bytes`)
  }

  async function download(url: URL, path: string): Promise<void> {
    const answer = await get(url)
    if (!answer) throw new LongshoreError('advisories-invalid', `${url.href} answered 404; the current revision stays`)
    const file = await openFile(path, 'wx', 0o600)
    try {
      await pipeline(bounded(url, answer, limits.advisoryArchiveBytesMax), file.createWriteStream())
    } finally {
      await file.close().catch(() => {})
    }
  }
}
