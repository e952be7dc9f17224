/**
 * What DynamoDB's TTL and the bucket's lifecycle do in the cloud: deletes items whose `expires` has passed and blobs that
 * are older than serverless.yml says. A bounded part each time it is called; readers do not depend on it.
 */
import { readdir, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DeleteItemCommand, type DynamoDBClient, ScanCommand, type ScanCommandOutput } from '@aws-sdk/client-dynamodb'
import type { Clock } from '../clock.ts'
import { TTL_ATTRIBUTE } from '../store/table.ts'
import type { Resources } from './resources.ts'

/** Blobs under this prefix live so many days from their last write. */
export interface LifecycleRule {
  prefix: string
  days: number
}

export interface ExpiryOptions {
  client: DynamoDBClient
  table: string
  /** The folder of the blobs, see lib/blobs/disk.ts. */
  folder: string
  rules: LifecycleRule[]
  clock: Clock
  /** Items looked at and blobs deleted in one call. */
  most: number
}

const DAY_MS = 86_400_000

/** The rules of the buckets that delete whole blobs. */
export function lifecycleRules(resources: Resources): LifecycleRule[] {
  type Rule = { Prefix?: string; ExpirationInDays?: number }
  const buckets = Object.values(resources).filter(({ Type }) => Type === 'AWS::S3::Bucket')
  return buckets
    .flatMap(({ Properties }) => (Properties.LifecycleConfiguration as { Rules?: Rule[] } | undefined)?.Rules ?? [])
    .flatMap(({ Prefix, ExpirationInDays: days }) => (Prefix && days ? [{ prefix: Prefix, days }] : []))
}

/** A function to be called now and then; it goes through the table from where it was, again and again. */
export function expiry(options: ExpiryOptions): () => Promise<{ items: number; blobs: number }> {
  let from: ScanCommandOutput['LastEvaluatedKey']
  return async () => {
    const { client, table, folder, rules, clock, most } = options
    const names = { '#e': TTL_ATTRIBUTE }
    const values = { ':now': { N: String(Math.floor(clock.now() / 1000)) } }
    const page = await client.send(
      new ScanCommand({
        TableName: table,
        Limit: most,
        FilterExpression: '#e <= :now',
        ExpressionAttributeNames: names,
        ExpressionAttributeValues: values,
        ...(from ? { ExclusiveStartKey: from } : {}),
      }),
    )
    from = page.LastEvaluatedKey
    let items = 0
    for (const { pk, sk } of page.Items ?? []) {
      if (!pk || !sk) continue
      // Its id may have been taken by a new record since it was read.
      const deleted = client.send(
        new DeleteItemCommand({
          TableName: table,
          Key: { pk, sk },
          ConditionExpression: '#e <= :now',
          ExpressionAttributeNames: names,
          ExpressionAttributeValues: values,
        }),
      )
      items += await deleted.then(
        () => 1,
        () => 0,
      )
    }
    let blobs = 0
    for (const { prefix, days } of rules) {
      const path = join(
        folder,
        ...prefix
          .split('/')
          .slice(0, -1)
          .map((segment) => `${segment}+`),
      )
      blobs += await removeOld(path, clock.now() - days * DAY_MS, most - blobs)
    }
    return { items, blobs }
  }
}

/** Files below a folder last written before `until`, at most `most`, and the folders that are empty then. */
async function removeOld(folder: string, until: number, most: number): Promise<number> {
  let removed = 0
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (removed >= most) break
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      const below = await removeOld(path, until, most - removed)
      removed += below
      // Fails while something is in it, which is what is wanted.
      if (below > 0) await rmdir(path).catch(() => undefined)
      continue
    }
    const found = await stat(path).catch(() => undefined)
    if (!found || found.mtimeMs >= until) continue
    await rm(path, { force: true })
    removed++
  }
  return removed
}
