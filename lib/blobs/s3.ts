/**
 * Blobs in S3, all in one bucket. The caller's client decides about checksums (the SDK sends CRC32 by default).
 * The role needs `s3:ListBucket`, or S3 answers 403 instead of 404 for a blob that is not there.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { LongshoreError } from '../errors.ts'
import { assertBlobKey, assertBlobPrefix, assertRange } from './key.ts'
import type { BlobStore } from './port.ts'

const THROTTLED = new Set(['SlowDown', 'ThrottlingException', 'RequestLimitExceeded', 'TooManyRequests'])

/** Throws `store-throttled` or `store-unavailable`; a put is retried by the SDK, which is harmless: blobs are whole. */
export function s3Blobs({ client, bucket }: { client: S3Client; bucket: string }): BlobStore {
  const read = async (key: string, range?: string): Promise<Uint8Array | undefined> => {
    assertBlobKey(key)
    try {
      const input = { Bucket: bucket, Key: key, ...(range !== undefined && { Range: range }) }
      const { Body } = await client.send(new GetObjectCommand(input))
      // The body arrives after the answer: a connection that breaks here is an error of this read too.
      return await Body!.transformToByteArray()
    } catch (thrown) {
      if (nameOf(thrown) === 'NoSuchKey') return undefined
      if (nameOf(thrown) === 'InvalidRange') return new Uint8Array()
      throw s3Error('read', key, thrown)
    }
  }

  return {
    get: (key) => read(key),

    async getRange(key, offset, length) {
      assertRange(key, offset, length)
      return read(key, `bytes=${offset}-${offset + length - 1}`)
    },

    async put(key, content, options = {}) {
      assertBlobKey(key)
      const Body = typeof content === 'string' ? new TextEncoder().encode(content) : content
      const ContentType = options.contentType ?? 'application/octet-stream'
      try {
        await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body, ContentType }))
      } catch (thrown) {
        throw s3Error('write', key, thrown)
      }
    },

    async list(prefix) {
      assertBlobPrefix(prefix)
      const blobs: { key: string; size: number }[] = []
      let token: string | undefined
      do {
        const input = { Bucket: bucket, Prefix: prefix, ...(token !== undefined && { ContinuationToken: token }) }
        const page = await client.send(new ListObjectsV2Command(input)).catch((thrown) => {
          throw s3Error('list', prefix, thrown)
        })
        for (const { Key, Size } of page.Contents ?? []) blobs.push({ key: Key!, size: Size ?? 0 })
        token = page.IsTruncated ? page.NextContinuationToken : undefined
      } while (token !== undefined)
      // General purpose buckets are listed in this order anyway, directory buckets (S3 Express) in none. Keys are ASCII.
      return blobs.sort((a, b) => (a.key < b.key ? -1 : 1))
    },

    async delete(key) {
      assertBlobKey(key)
      try {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
      } catch (thrown) {
        // S3 itself is silent about a missing key; some that speak its protocol are not.
        if (nameOf(thrown) !== 'NoSuchKey') throw s3Error('delete', key, thrown)
      }
    },
  }
}

const nameOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.name : '')

function s3Error(operation: string, key: string, cause: unknown): LongshoreError {
  const name = nameOf(cause)
  const message = cause instanceof Error ? cause.message : String(cause)
  const code = THROTTLED.has(name) ? 'store-throttled' : 'store-unavailable'
  return new LongshoreError(code, `the ${operation} of the blob ${key} failed (${name}: ${message})`, { cause })
}
