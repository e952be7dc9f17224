import { describe, expect, test } from 'vitest'
import { apiWorld, appImage, expectProblem } from './world.ts'

async function fleet(versions: string[]) {
  const world = await apiWorld({ limits: { indexSegmentsMin: 2 } })
  await world.publishAdvisories()
  const digests: string[] = []
  const scan = async (version: string) => {
    await world.push(appImage(version), version)
    const id = await world.submit(`${world.source.host}/team/app:${version}`)
    await world.deliver()
    return (await world.get(`/v1/jobs/${id}`)).json.result.digest as string
  }
  for (const version of versions) digests.push(await scan(version))
  const found = async (path: string) => {
    const { status, json } = await world.get(path)
    expect(status).toBe(200)
    return json.images.map((one: { digest: string }) => one.digest)
  }
  return { world, digests, scan, found }
}

describe('which images', () => {
  test('hold a package is told before and after the index is merged, and once they are forgotten no more', async () => {
    const { world, digests, scan, found } = await fleet(['1.0.0', '3.0.0'])
    const ask = async () => [
      await found('/v1/packages?name=left'),
      await found('/v1/packages?name=openssl'),
      await found('/v1/packages?name=libssl3'),
      await found('/v1/packages?name=openssl&ecosystem=Debian:12'),
      await found('/v1/packages?name=left&ecosystem=Debian:12'),
      await found('/v1/packages?name=right'),
    ]
    const all = [...digests].sort()
    const expected = [all, all, all, all, [], []]
    expect(await ask()).toEqual(expected)
    expect(await world.reEvaluate()).toMatchObject({ merged: 2 })
    expect(await world.env.blobs.list('index/segments/')).toEqual([])
    expect(await ask()).toEqual(expected)
    const third = await scan('4.0.0')
    expect(await found('/v1/packages?name=left')).toEqual([...digests, third].sort())
    await world.call('DELETE', `/v1/images/${third}`)
    expect(await found('/v1/packages?name=left')).toEqual(all)
  })

  test('hold it in which version and where is told of each', async () => {
    const { world, digests } = await fleet(['1.0.0'])
    const { json } = await world.get('/v1/packages?name=openssl')
    expect(json).toMatchObject({
      total: 1,
      next: null,
      images: [
        {
          digest: digests[0],
          severity: 'Critical',
          holds: [{ name: 'libssl3', version: '3.0.11-1', source: { name: 'openssl' }, path: 'var/lib/dpkg/status' }],
        },
      ],
    })
  })

  test('have a flaw is told by any of its ids, and changes with the advisories', async () => {
    const { world, digests, found } = await fleet(['1.0.0', '3.0.0'])
    await world.reEvaluate()
    const left = '/v1/vulnerabilities/GHSA-aaaa-bbbb-cccc'
    expect(await found(left)).toEqual([digests[0]])
    expect(await found('/v1/vulnerabilities/DEBIAN-CVE-2024-1')).toEqual([...digests].sort())
    expect((await world.get(left)).json).toMatchObject({
      id: 'GHSA-aaaa-bbbb-cccc',
      images: [{ findings: [{ package: 'left', version: '1.0.0', fixedVersion: '2.0.0', severity: 'Unknown' }] }],
    })
    await world.publishAdvisories('3.5.0')
    await world.reEvaluate()
    await world.deliver()
    expect(await found(left)).toEqual([...digests].sort())
    await world.publishAdvisories('0.5.0')
    await world.reEvaluate()
    await world.deliver()
    expect(await found(left)).toEqual([])
  })

  test('is answered in pages', async () => {
    const { world, digests } = await fleet(['1.0.0', '3.0.0', '4.0.0'])
    const first = await world.get('/v1/packages?name=left&limit=2')
    expect(first.json.images).toHaveLength(2)
    expect(first.headers.get('link')).toContain('rel="next"')
    const second = await world.get(`/v1/packages?name=left&limit=2&cursor=${first.json.next}`)
    expect([...first.json.images, ...second.json.images].map(({ digest }) => digest)).toEqual([...digests].sort())
    expect(second.json.next).toBeNull()
    expectProblem(await world.get('/v1/packages'), 422, 'invalid-value', '/query/name')
    expectProblem(await world.get('/v1/packages?name=left&cursor=x'), 422, 'invalid-value', '/query/cursor')
  })
})
