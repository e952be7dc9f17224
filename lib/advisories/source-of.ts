/** What LONGSHORE_ADVISORIES names: a folder, or an address that serves `<Ecosystem>/all.zip` as OSV's bucket does. */
import { open as openFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { Http } from '../net/http.ts'
import { sendFollowing } from '../net/redirect.ts'
import { type AdvisorySource, directorySource } from './source.ts'
import { zipMembers } from './zip.ts'

/** What our inventories can be matched against; OSV publishes many more. */
export const DOWNLOADED_ECOSYSTEMS = ['Alpine', 'Chainguard', 'Debian', 'Ubuntu', 'Wolfi', 'npm'] as const

/** Throws `config-invalid` for an empty text. */
export function sourceOf(text: string, limits: Limits): AdvisorySource {
  if (text === '')
    throw new LongshoreError('config-invalid', 'LONGSHORE_ADVISORIES is not set; name a folder or an https address')
  return /^https?:\/\//.test(text) ? urlSource(text, limits) : directorySource(text, limits)
}

/** Archives are downloaded one at a time to a temporary file: a zip is read from its end. */
function urlSource(address: string, limits: Limits): AdvisorySource {
  const base = new URL(address.endsWith('/') ? address : `${address}/`)
  const http = new Http({ limits, insecure: base.protocol === 'http:', allowPrivate: base.protocol === 'http:' })
  return {
    name: base.href,
    ecosystems: async () => [...DOWNLOADED_ECOSYSTEMS],
    async *records(ecosystem) {
      const path = join(tmpdir(), `longshore-${process.pid}-${ecosystem}.zip`)
      try {
        await download(new URL(`${ecosystem}/all.zip`, base), path)
        const file = await openFile(path)
        try {
          yield* zipMembers(
            file.fd,
            `${base.href}${ecosystem}/all.zip`,
            limits.advisoryRecordBytesMax,
            limits.advisoryRecordsMax,
          )
        } finally {
          await file.close()
        }
      } finally {
        await rm(path, { force: true })
      }
    },
  }

  async function download(url: URL, path: string): Promise<void> {
    const answer = await sendFollowing(http, { method: 'GET', url })
    if (answer.status !== 200) {
      answer.body.destroy()
      throw new LongshoreError(
        'advisories-invalid',
        `${url.href} answered ${answer.status}; the current revision stays`,
      )
    }
    const file = await openFile(path, 'w')
    let bytes = 0
    try {
      await pipeline(
        answer.body,
        async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            bytes += chunk.length
            if (bytes > limits.advisoryArchiveBytesMax)
              throw new LongshoreError(
                'advisories-invalid',
                `${url.href} is larger than ${limits.advisoryArchiveBytesMax} bytes`,
              )
            yield chunk
          }
        },
        file.createWriteStream(),
      )
    } finally {
      await file.close().catch(() => {})
    }
    const announced = Number(answer.headers['content-length'])
    if (Number.isFinite(announced) && announced !== bytes)
      throw new LongshoreError('advisories-invalid', `${url.href} ended after ${bytes} of ${announced} bytes`)
  }
}
