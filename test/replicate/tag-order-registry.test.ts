/** The order of jobs for one tag, with a real registry on both sides. */
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import type { JobOrder } from '../../lib/job/define.ts'
import { tagClaims } from '../../lib/job/tag-claims.ts'
import { runReplicate, verifyTag } from '../../lib/replicate/job.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { clientOf, failure } from '../oci/server.ts'
import { pushImage, registry, runOf } from './run.ts'

async function world() {
  const [from, to] = [await registry(), await registry()]
  const claims = tagClaims(memoryStore(), 't', defaultLimits)
  const followUps: number[] = []
  const images = {
    old: await pushImage(from.host, 'app', '1', ['old']),
    new: await pushImage(from.host, 'app', '1', ['new']),
  }
  const params = { source: `${from.host}/app:1`, target: `${to.host}/mirror:v1` }
  const name = `${to.host}/mirror:v1`
  const run = (which: 'old' | 'new', more: Partial<JobOrder> = {}) =>
    runOf(from.host, 'app', images[which].digest, {
      order: {
        acceptance: which === 'old' ? '1#old' : '2#new',
        leaseUntil: Date.now() + 900_000,
        claims,
        followUp: async (dueAt) => {
          followUps.push(dueAt)
          return 'later'
        },
        ...more,
      },
    })
  const replicate = (which: 'old' | 'new', more?: { override: boolean }) =>
    runReplicate({ ...params, ...more }, run(which).context)
  const tag = async () => (await clientOf(to.host).resolve('mirror', 'v1'))?.digest
  return { from, to, claims, followUps, images, params, name, run, replicate, tag }
}

describe('two replications to one tag', () => {
  test('the older one that comes later changes nothing and ends as canceled', async () => {
    const w = await world()
    await w.replicate('new')
    expect((await failure(w.replicate('old'))).message).toBe(
      `canceled: superseded: job new was accepted later and sets ${w.name} to ${w.images.new.digest}`,
    )
    expect(await w.tag()).toBe(w.images.new.digest)
  })

  test('what an older one set after all is put back, by whichever comes next', async () => {
    const w = await world()
    await w.replicate('old')
    await w.replicate('new')
    // A request of the older one's dead worker lands.
    const late = await clientOf(w.to.host).manifest('mirror', w.images.old.digest)
    await clientOf(w.to.host).putManifest('mirror', 'v1', late)
    const verify = w.run('new')
    const { result } = await verifyTag(w.params, verify.context)
    expect(result).toMatchObject({ target: { digest: w.images.new.digest }, requests: { source: 0 } })
    expect(await w.tag()).toBe(w.images.new.digest)
    expect(verify.log.join()).toContain('was set back to')

    await clientOf(w.to.host).putManifest('mirror', 'v1', late)
    expect((await failure(w.replicate('old'))).message).toContain('superseded')
    expect(await w.tag()).toBe(w.images.new.digest)
  })

  test('the newer one leaves a look back while the older one may still have a request under way', async () => {
    const w = await world()
    const lease = Date.now() + 60_000
    await runReplicate(w.params, w.run('old', { leaseUntil: lease }).context)
    expect(w.followUps).toEqual([])
    await w.replicate('new')
    expect(w.followUps).toEqual([lease + defaultLimits.tagVerifyMarginSeconds * 1000])
  })

  test('nothing is left behind when the older one is dead for long, or set the same', async () => {
    const w = await world()
    await runReplicate(w.params, w.run('old', { leaseUntil: Date.now() - 3_600_000 }).context)
    await w.replicate('new')
    await runReplicate(w.params, w.run('new', { acceptance: '3#again' }).context)
    expect(w.followUps).toEqual([])
  })

  test('a tag that is right costs two requests, and is claimed all the same', async () => {
    const w = await world()
    await w.replicate('old')
    w.to.requests.length = 0
    w.from.requests.length = 0
    const { result } = await runReplicate(w.params, w.run('old', { acceptance: '5#newest' }).context)
    expect(result).toMatchObject({ requests: { source: 0, target: 1 } })
    expect([w.from.requests.length, w.to.requests.length]).toEqual([0, 1])
    expect(await w.claims.get(w.name)).toMatchObject({ sequence: '5#newest', digest: w.images.old.digest })
    // So one that was accepted between them is too late.
    expect((await failure(w.replicate('new'))).message).toContain('superseded: job newest')
  })

  test('override false gives way to a job that is about to set the tag', async () => {
    const w = await world()
    const seen = await w.claims.get(w.name)
    const claim = { sequence: '1#old', digest: w.images.old.digest, until: Date.now() + 60_000, othersUntil: 0 }
    await w.claims.put(w.name, claim, seen)
    expect((await failure(w.replicate('new', { override: false }))).message).toContain('another job sets')
    expect(await w.tag()).toBeUndefined()
    expect(await w.claims.get(w.name)).toMatchObject(claim)
  })

  test('somebody outside who changes the tag is told, and not fought', async () => {
    const w = await world()
    await w.replicate('old')
    const foreign = await clientOf(w.to.host).manifest('mirror', 'v1')
    const context = w.run('new', { leaseUntil: 0 }).context
    await w.claims.put(
      w.name,
      { sequence: '2#new', digest: w.images.new.digest, until: 0, othersUntil: 0 },
      await w.claims.get(w.name),
    )
    // Between our setting the tag and our looking at it.
    const open = context.registry
    context.registry = async (host) => {
      const client = await open(host)
      return new Proxy(client, {
        get(of, name) {
          if (name === 'putManifest')
            return async (...args: Parameters<typeof client.putManifest>) => {
              await of.putManifest(...args)
              if (args[1] === 'v1') await of.putManifest('mirror', 'v1', foreign)
            }
          const value = Reflect.get(of, name, of) as unknown
          return typeof value === 'function' ? value.bind(of) : value
        },
      })
    }
    const error = await failure(runReplicate(w.params, context))
    expect(error).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('somebody else changes this tag'),
    })
    expect(await w.tag()).toBe(w.images.old.digest)
  })
})
