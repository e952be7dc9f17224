import { describe, expect, it } from 'vitest'
import { ERRORS } from '../../lib/errors.ts'
import { apiWorld, expectProblem } from './world.ts'

describe('the type of a problem', () => {
  it('leads to a page about it', async () => {
    const world = await apiWorld()
    const refused = await world.call('GET', '/v1/jobs/nonsense')
    const page = await world.call('GET', refused.json.type)
    expect(page.json).toEqual({
      code: 'job-not-found',
      title: ERRORS['job-not-found'].title,
      status: 404,
      retry: 'The same request will not succeed without a change.',
    })
  })

  it('has no page when there is no such kind, not even by the name of an inherited property', async () => {
    const world = await apiWorld()
    expectProblem(await world.call('GET', '/problems/constructor'), 404, 'route-not-found')
  })
})
