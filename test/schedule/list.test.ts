/** The list of policies: the table may end a page where it likes, the list ends with the last policy. */
import { expect, it } from 'vitest'
import { createPolicy, listPolicies } from '../../lib/schedule/policy.ts'
import type { Store } from '../../lib/store/port.ts'
import { createWorld, TENANT } from '../job/world.ts'

/** As a page that ends at 1 MB: fewer items than asked for, and a cursor. */
const endingEarly =
  (itemsMax: number) =>
  (inner: Store): Store => ({
    ...inner,
    query: (query) => inner.query({ ...query, limit: Math.min(query.limit, itemsMax) }),
  })

it.each([1, 2, 3, 4, 5, 6])('policies are all listed where a page of the table has at most %i', async (itemsMax) => {
  const world = createWorld({ store: endingEarly(itemsMax) })
  const made: string[] = []
  for (let n = 0; n < 5; n++) {
    const policy = await createPolicy(TENANT, { name: `p${n}`, type: 'probe', images: ['app'] }, world.env)
    made.push(policy.id)
    await world.clock.advance(1)
  }
  const listed: string[] = []
  let after: string | undefined
  do {
    const page = await listPolicies(TENANT, 4, after, world.env)
    listed.push(...page.policies.map(({ id }) => id))
    after = page.next
  } while (after !== undefined)
  expect(listed).toEqual(made)
})
