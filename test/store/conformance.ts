/** What every store must do alike; run on each twin by its own test file. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../../lib/glossary.ts'
import { absent, all, any, eq, exists, ge, gt, le, lt, ne, not, oneOf } from '../../lib/store/condition.ts'
import {
  COUNT_LIMIT_MAX,
  type Condition,
  ConditionFailed,
  type IndexName,
  type Item,
  type Page,
  type Query,
  type Store,
} from '../../lib/store/port.ts'

export interface StoreUnderTest {
  store: Store
  close(): Promise<void>
}

/** U+10400 sorts behind U+FF5E by UTF-8 bytes and before it by UTF-16 units. */
const BY_BYTES = [' ', '#', '0', '10', '9', 'A', 'a', 'a#b', 'aa', 'ä', 'é', 'ﬁ', '～', '𐐀', '😀']

export interface Quirks {
  /** dynalite compares strings in conditions by UTF-16 units (its keys sort correctly); Longshore compares ASCII only. */
  conditionsByUtf16?: boolean
}

export function storeConformance(name: string, open: () => Promise<StoreUnderTest>, quirks: Quirks = {}): void {
  describe(`a store (${name})`, () => {
    let underTest: StoreUnderTest
    let store: Store
    let pk: string
    let testCount = 0
    beforeAll(async () => {
      underTest = await open()
      store = underTest.store
    })
    afterAll(() => underTest?.close())
    // One table for all tests; each has partitions of its own.
    beforeEach(() => {
      testCount += 1
      pk = `T${testCount}`
    })

    const put = (sk: string, attributes: { [attribute: string]: Json } = {}) => store.put({ pk, sk, ...attributes })
    const pages = async (query: Query): Promise<Item[][]> => {
      const found: Item[][] = []
      let page: Page | undefined
      do {
        page = await store.query({ ...query, ...(page?.cursor !== undefined && { cursor: page.cursor }) })
        found.push(page.items)
      } while (page.cursor !== undefined)
      return found
    }
    const keys = async (query: Query) => (await pages(query)).flat().map((item) => item.sk)

    describe('items', () => {
      test('come back as they were put, with every kind of JSON value and without undefined', async () => {
        const values = {
          text: 'café 😀',
          empty: '',
          zero: 0,
          negative: -1.5,
          large: 9_007_199_254_740_991,
          small: 1e-7,
          huge: 1e21,
          yes: true,
          no: false,
          nothing: null,
          list: [1, 'a', null, [true], {}],
          map: { a: { b: [] }, 'with space.and[dots]': 1 },
        }
        await store.put({ pk, sk: 'x', ...values, missing: undefined, inner: { kept: 1, missing: undefined } })
        const item = await store.get({ pk, sk: 'x' })
        expect(item).toStrictEqual({ pk, sk: 'x', ...values, inner: { kept: 1 } })
      })

      test('that are absent read as undefined', async () => {
        expect(await store.get({ pk, sk: 'nothing' })).toBeUndefined()
      })

      test('are replaced whole by a put', async () => {
        await put('x', { a: 1, b: 2 })
        await put('x', { b: 3 })
        expect(await store.get({ pk, sk: 'x' })).toStrictEqual({ pk, sk: 'x', b: 3 })
      })

      test('are not shared with the caller, neither on the way in nor on the way out', async () => {
        const given = { pk, sk: 'x', list: [1], map: { a: 1 } }
        await store.put(given)
        given.list.push(2)
        given.map.a = 2
        const read = await store.get({ pk, sk: 'x' })
        ;(read!.list as number[]).push(3)
        const updated = await store.update({ pk, sk: 'x' }, { set: { b: 1 } })
        ;(updated.list as number[]).push(4)
        const set = { inner: [1] }
        await store.update({ pk, sk: 'x' }, { set })
        set.inner.push(2)
        expect(await store.get({ pk, sk: 'x' })).toStrictEqual({
          pk,
          sk: 'x',
          list: [1],
          map: { a: 1 },
          b: 1,
          inner: [1],
        })
      })

      test('are gone after a delete, and a delete of nothing is fine', async () => {
        await put('x')
        await store.delete({ pk, sk: 'x' })
        await store.delete({ pk, sk: 'x' })
        expect(await store.get({ pk, sk: 'x' })).toBeUndefined()
      })

      test('are found by keys and attributes with any characters', async () => {
        for (const sk of BY_BYTES) await put(sk, { 'status.of[0]': sk, '#n0': 1, ':v0': 2 })
        for (const sk of BY_BYTES)
          expect(await store.get({ pk, sk })).toStrictEqual({ pk, sk, 'status.of[0]': sk, '#n0': 1, ':v0': 2 })
      })

      test('are read by the hundred: missing ones are left out, doubles come once', async () => {
        const wanted = Array.from({ length: 230 }, (_, i) => ({ pk: `${pk}#${i}`, sk: '#' }))
        await Promise.all(wanted.filter((_, i) => i % 2 === 0).map((key, i) => store.put({ ...key, i })))
        const items = await store.getMany([...wanted, wanted[0]!, wanted[4]!])
        expect(new Set(items.map((item) => item.pk)).size).toBe(115)
        expect(items).toHaveLength(115)
        expect(items.find((item) => item.pk === `${pk}#4`)).toStrictEqual({ pk: `${pk}#4`, sk: '#', i: 2 })
        expect(await store.getMany([])).toEqual([])
      })

      test('of 390 KB are taken, of 410 KB refused with a clear error', async () => {
        await put('x', { content: 'x'.repeat(390 * 1024) })
        const tooLarge = { code: 'item-too-large', retryable: false, message: expect.stringContaining(`${pk} y`) }
        await expect(put('y', { content: 'é'.repeat(205 * 1024) })).rejects.toMatchObject(tooLarge)
        await store.update({ pk, sk: 'y' }, { set: { a: 'x'.repeat(300 * 1024) } })
        await expect(store.update({ pk, sk: 'y' }, { set: { b: 'x'.repeat(110 * 1024) } })).rejects.toMatchObject(
          tooLarge,
        )
        expect(await store.get({ pk, sk: 'y' })).not.toHaveProperty('b')
      })

      test.each<[string, (store: Store) => Promise<unknown>]>([
        ['an empty partition key', (s) => s.put({ pk: '', sk: 'x' })],
        ['an empty sort key', (s) => s.put({ pk: 'x', sk: '' })],
        ['an empty sort key in a read', (s) => s.get({ pk: 'x', sk: '' })],
        ['an empty sort key in a read of many', (s) => s.getMany([{ pk: 'x', sk: '' }])],
        ['an empty sort key in a delete', (s) => s.delete({ pk: 'x', sk: '' })],
        ['an empty index key', (s) => s.put({ pk: 'x', sk: 'x', o_pk: '', o_sk: 'x' })],
        ['an empty index sort key', (s) => s.put({ pk: 'x', sk: 'x', m_pk: 'x', m_sk: '' })],
        ['an empty index key in a change', (s) => s.update({ pk: 'x', sk: 'x' }, { set: { o_sk: '' } })],
        ['an empty index key set once', (s) => s.update({ pk: 'x', sk: 'x' }, { setOnce: { o_sk: '' } })],
        ['an index key that is null', (s) => s.put({ pk: 'x', sk: 'x', o_pk: null, o_sk: 'x' })],
        ['an index key that is a number', (s) => s.update({ pk: 'x', sk: 'x' }, { set: { o_sk: 1 } })],
        ['a sort key over 1,024 bytes', (s) => s.put({ pk: 'x', sk: 'é'.repeat(513) })],
        ['a number that is not finite', (s) => s.put({ pk: 'x', sk: 'x', n: Number.NaN })],
        ['a nested number out of range', (s) => s.put({ pk: 'x', sk: 'x', n: [{ n: 1e200 }] })],
        ['a change of a key', (s) => s.update({ pk: 'x', sk: 'x' }, { set: { sk: 'y' } })],
        ['two changes of one attribute', (s) => s.update({ pk: 'x', sk: 'x' }, { set: { a: 1 }, remove: ['a'] })],
        ['a sum of parts', (s) => s.update({ pk: 'x', sk: 'x' }, { add: { a: 0.1 } })],
        ['an empty list of alternatives', (s) => s.put({ pk: 'x', sk: 'x' }, oneOf('a', []))],
        ['an empty conjunction', (s) => s.put({ pk: 'x', sk: 'x' }, all())],
        ['a page of no items', (s) => s.query({ pk: 'x', limit: 0 })],
        ['a page of 1,001 items', (s) => s.query({ pk: 'x', limit: 1001 })],
      ])('with %s are refused loudly and nothing is written', async (_, attempt) => {
        await expect(attempt(store)).rejects.toMatchObject({ name: 'LongshoreError', code: 'internal' })
        expect(await store.get({ pk: 'x', sk: 'x' })).toBeUndefined()
      })
    })

    describe('a change', () => {
      test('sets, adds and removes in one step and answers with the whole item', async () => {
        await put('x', { status: 'pending', attempt: 1, dueAt: 5, kept: true })
        const after = await store.update(
          { pk, sk: 'x' },
          { set: { status: 'running', lease: 9 }, add: { attempt: 1, fence: 1 }, remove: ['dueAt', 'neverThere'] },
        )
        const expected = { pk, sk: 'x', status: 'running', attempt: 2, kept: true, lease: 9, fence: 1 }
        expect(after).toStrictEqual(expected)
        expect(await store.get({ pk, sk: 'x' })).toStrictEqual(expected)
      })

      test('sets once: what is there stays', async () => {
        await put('x', { startedAt: 1, nothing: null })
        const after = await store.update({ pk, sk: 'x' }, { setOnce: { startedAt: 2, nothing: 3, claimedAt: 4 } })
        expect(after).toStrictEqual({ pk, sk: 'x', startedAt: 1, nothing: null, claimedAt: 4 })
      })

      test('of an absent item makes it, counting absent numbers as 0', async () => {
        const after = await store.update({ pk, sk: 'x' }, { add: { count: -3 }, set: { a: 'b' } })
        expect(after).toStrictEqual({ pk, sk: 'x', count: -3, a: 'b' })
      })

      test('that is empty makes an absent item and leaves a present one', async () => {
        expect(await store.update({ pk, sk: 'x' }, {})).toStrictEqual({ pk, sk: 'x' })
        await put('x', { a: 1 })
        expect(await store.update({ pk, sk: 'x' }, { set: {}, add: {}, remove: [] })).toStrictEqual({
          pk,
          sk: 'x',
          a: 1,
        })
      })

      test('that adds to text is refused', async () => {
        await put('x', { text: 'a', nothing: null })
        await expect(store.update({ pk, sk: 'x' }, { add: { text: 1 } })).rejects.toMatchObject({ code: 'internal' })
        await expect(store.update({ pk, sk: 'x' }, { add: { nothing: 1 } })).rejects.toMatchObject({ code: 'internal' })
      })

      test('is never lost when many add at the same time', async () => {
        await Promise.all(Array.from({ length: 60 }, () => store.update({ pk, sk: 'x' }, { add: { count: 1 } })))
        expect(await store.get({ pk, sk: 'x' })).toMatchObject({ count: 60 })
      })
    })

    describe('a condition', () => {
      const item = { text: 'b', number: 10, zero: 0, empty: '', yes: true, nothing: null, list: [1] }
      const truths: [boolean, Condition][] = [
        [true, eq('text', 'b')],
        [false, eq('text', 'c')],
        [false, eq('number', '10')],
        [true, eq('zero', 0)],
        [true, eq('empty', '')],
        [true, eq('yes', true)],
        [false, eq('yes', false)],
        [false, eq('missing', 'b')],
        [false, eq('nothing', 'b')],
        [true, ne('text', 'c')],
        [false, ne('text', 'b')],
        [true, ne('yes', false)],
        // Raw DynamoDB says true here; ours never lets an absent or foreign value satisfy a comparison.
        [false, ne('missing', 'b')],
        [false, ne('number', 'b')],
        [false, ne('list', 'b')],
        [true, lt('text', 'ba')],
        [false, lt('text', 'b')],
        [false, lt('text', 'B')],
        [true, lt('number', 10.5)],
        [true, gt('number', 9)],
        [false, gt('number', 10)],
        [false, gt('number', '9')],
        [true, ge('number', 10)],
        [false, ge('number', 11)],
        [true, le('number', 10)],
        [false, le('number', 9)],
        [false, lt('missing', 1)],
        [false, ge('missing', '')],
        [true, oneOf('text', ['a', 'b'])],
        [false, oneOf('text', ['a', 'c'])],
        [true, oneOf('number', ['a', 10])],
        [false, oneOf('missing', ['a', 'b'])],
        [true, exists('text')],
        [true, exists('nothing')],
        [true, exists('empty')],
        [false, exists('missing')],
        [true, absent('missing')],
        [false, absent('nothing')],
        [true, exists('pk')],
        [true, not(eq('text', 'c'))],
        [true, not(eq('missing', 'c'))],
        [true, not(ne('missing', 'c'))],
        [true, all(eq('text', 'b'), gt('number', 9))],
        [false, all(eq('text', 'b'), gt('number', 10))],
        [true, any(eq('text', 'x'), gt('number', 9))],
        [false, any(eq('text', 'x'), gt('number', 10))],
        [true, all(any(eq('text', 'x'), exists('yes')), not(all(eq('zero', 0), eq('text', 'x'))))],
        [true, any(all(eq('text', 'x'), eq('zero', 1)), eq('number', 10))],
        [false, all(any(eq('text', 'x'), eq('number', 10)), eq('zero', 1))],
        [true, all(eq('text', 'b'))],
      ]
      test.each(truths)('is %s: %j', async (expected, condition) => {
        await put('x', item)
        const written = await store.update({ pk, sk: 'x' }, { set: { touched: true } }, condition).then(
          () => true,
          (error) => {
            expect(error).toBeInstanceOf(ConditionFailed)
            return false
          },
        )
        expect(written).toBe(expected)
        expect((await store.get({ pk, sk: 'x' }))!.touched).toBe(expected ? true : undefined)
      })

      test('on an absent item: only absence and negation hold', async () => {
        const puts = (condition: Condition) => store.put({ pk, sk: 'new' }, condition)
        await expect(puts(eq('a', 1))).rejects.toBeInstanceOf(ConditionFailed)
        await expect(puts(ne('a', 1))).rejects.toBeInstanceOf(ConditionFailed)
        await expect(puts(exists('pk'))).rejects.toBeInstanceOf(ConditionFailed)
        await puts(all(absent('pk'), not(eq('a', 1))))
        await expect(puts(absent('pk'))).rejects.toBeInstanceOf(ConditionFailed)
      })

      test('orders strings by their UTF-8 bytes', async () => {
        const texts = quirks.conditionsByUtf16 ? BY_BYTES.slice(0, BY_BYTES.indexOf('～')) : BY_BYTES
        for (const [i, text] of texts.entries()) {
          await put('x', { text })
          if (i > 0) await store.put({ pk, sk: 'x', text }, gt('text', texts[i - 1]!))
          await expect(store.delete({ pk, sk: 'x' }, lt('text', text))).rejects.toBeInstanceOf(ConditionFailed)
        }
      })

      test('guards a delete and a replacement', async () => {
        await put('x', { fence: 2 })
        await expect(store.delete({ pk, sk: 'x' }, eq('fence', 1))).rejects.toBeInstanceOf(ConditionFailed)
        await expect(store.put({ pk, sk: 'x', fence: 9 }, eq('fence', 1))).rejects.toBeInstanceOf(ConditionFailed)
        expect(await store.get({ pk, sk: 'x' })).toStrictEqual({ pk, sk: 'x', fence: 2 })
        await store.delete({ pk, sk: 'x' }, eq('fence', 2))
        await expect(store.delete({ pk, sk: 'x' }, eq('fence', 2))).rejects.toBeInstanceOf(ConditionFailed)
      })

      test('lets exactly one of fifty racing claims through', async () => {
        await put('x', { status: 'pending', fence: 0 })
        const claims = await Promise.allSettled(
          Array.from({ length: 50 }, (_, i) =>
            store.update(
              { pk, sk: 'x' },
              { set: { status: 'running', by: i }, add: { fence: 1 } },
              eq('status', 'pending'),
            ),
          ),
        )
        const won = claims.flatMap((claim, i) => (claim.status === 'fulfilled' ? [i] : []))
        expect(won).toHaveLength(1)
        expect(await store.get({ pk, sk: 'x' })).toMatchObject({ status: 'running', fence: 1, by: won[0] })
        for (const claim of claims)
          if (claim.status === 'rejected') expect(claim.reason).toBeInstanceOf(ConditionFailed)
      })

      test('lets exactly one of fifty racing puts make an item', async () => {
        const puts = await Promise.allSettled(
          Array.from({ length: 50 }, (_, i) => store.put({ pk, sk: 'x', by: i }, absent('pk'))),
        )
        expect(puts.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
      })
    })

    describe('a query', () => {
      test('returns one partition in the order of UTF-8 bytes, forwards and backwards', async () => {
        for (const sk of [...BY_BYTES].reverse()) await put(sk)
        await store.put({ pk: `${pk}#`, sk: 'other' })
        expect(await keys({ pk, limit: 100 })).toEqual(BY_BYTES)
        expect(await keys({ pk, limit: 100, reverse: true })).toEqual([...BY_BYTES].reverse())
      })

      test('of an empty partition returns no items and no cursor', async () => {
        expect(await store.query({ pk, limit: 10 })).toEqual({ items: [] })
        expect(await store.query({ pk, index: 'open', limit: 10 })).toEqual({ items: [] })
      })

      test('has inclusive bounds', async () => {
        for (const sk of ['a', 'b', 'b#', 'c', 'd']) await put(sk)
        expect(await keys({ pk, from: 'b', to: 'c', limit: 9 })).toEqual(['b', 'b#', 'c'])
        expect(await keys({ pk, from: 'b', limit: 9 })).toEqual(['b', 'b#', 'c', 'd'])
        expect(await keys({ pk, to: 'b', limit: 9 })).toEqual(['a', 'b'])
        expect(await keys({ pk, from: 'b0', to: 'c0', limit: 9, reverse: true })).toEqual(['c'])
        expect(await keys({ pk, from: 'c', to: 'c', limit: 9 })).toEqual(['c'])
        expect(await keys({ pk, from: 'd', to: 'a', limit: 9 })).toEqual([])
        expect(await keys({ pk, from: '', limit: 9 })).toEqual(['a', 'b', 'b#', 'c', 'd'])
        expect(await keys({ pk, to: '', limit: 9 })).toEqual([])
      })

      test.each([false, true])('pages through everything exactly once (reverse: %s)', async (reverse) => {
        const all = Array.from({ length: 25 }, (_, i) => String(i).padStart(3, '0'))
        await Promise.all(all.map((sk) => put(sk, { m_pk: pk, m_sk: `m${sk}` })))
        const expected = reverse ? [...all].reverse() : all
        for (const index of [undefined, 'members'] as const) {
          const base = { pk, reverse, ...(index && { index }) }
          const found = await pages({ ...base, limit: 10 })
          expect(found.slice(0, 3).map((page) => page.length)).toEqual([10, 10, 5])
          expect(found.flat().map((item) => item.sk)).toEqual(expected)
          const bounds = index ? { from: 'm004', to: 'm020' } : { from: '004', to: '020' }
          expect(await keys({ ...base, ...bounds, limit: 3 })).toEqual(
            expected.filter((sk) => sk >= '004' && sk <= '020'),
          )
        }
      })

      test('goes on behind a cursor whose item is gone or new', async () => {
        for (const sk of ['a', 'b', 'c', 'd']) await put(sk)
        const { cursor } = await store.query({ pk, limit: 2 })
        await store.delete({ pk, sk: 'b' })
        await put('aa')
        await put('bb')
        expect(await keys({ pk, limit: 2, cursor: cursor! })).toEqual(['bb', 'c', 'd'])
      })

      test('takes a cursor that went through JSON', async () => {
        for (const sk of ['a', 'é', 'z']) await put(sk, { o_pk: pk, o_sk: `${sk}#` })
        const { cursor } = await store.query({ pk, index: 'open', limit: 1 })
        const copy = JSON.parse(JSON.stringify(cursor)) as Json
        expect(await keys({ pk, index: 'open', limit: 9, cursor: copy })).toEqual(['z', 'é'])
      })

      test('refuses a cursor that does not belong to it as a bad value of the caller', async () => {
        for (const sk of ['a', 'b', 'c']) await put(sk, { m_pk: pk, m_sk: sk })
        const { cursor } = await store.query({ pk, limit: 1 })
        const refused = { code: 'invalid-value', message: expect.stringContaining('cursor') }
        const wrong: [Partial<Query>, Json][] = [
          [{ pk: 'another' }, cursor!],
          [{ index: 'members' }, cursor!],
          [{ from: 'b' }, cursor!],
          [{}, 'text'],
          [{}, null],
          [{}, []],
          [{}, {}],
          [{}, { pk, sk: 1 }],
          [{}, { pk, sk: '' }],
          [{}, { pk, sk: 'a', extra: 'a' }],
        ]
        for (const [part, foreign] of wrong)
          await expect(store.query({ pk, limit: 1, ...part, cursor: foreign })).rejects.toMatchObject(refused)
      })

      test('counts without reading more than asked', async () => {
        await Promise.all(Array.from({ length: 12 }, (_, i) => put(String(i + 10), { o_pk: pk, o_sk: String(i + 10) })))
        for (const index of [undefined, 'open'] as const) {
          const base = { pk, ...(index && { index }) }
          expect(await store.count({ ...base, limit: 100 })).toBe(12)
          expect(await store.count({ ...base, limit: COUNT_LIMIT_MAX })).toBe(12)
          expect(await store.count({ ...base, limit: 5 })).toBe(5)
          expect(await store.count({ ...base, from: '12', to: '15', limit: 100 })).toBe(4)
          expect(await store.count({ ...base, from: '15', to: '12', limit: 100 })).toBe(0)
          expect(await store.count({ ...base, pk: `${pk}-none`, limit: 100 })).toBe(0)
        }
      })
    })

    describe('an index', () => {
      const inIndex = async (index: IndexName, partition = pk) =>
        (await store.query({ pk: partition, index, limit: 100 })).items

      test('holds an item only while both of its key attributes are there', async () => {
        await put('x', { o_pk: pk })
        expect(await inIndex('open')).toEqual([])
        await store.update({ pk, sk: 'x' }, { set: { o_sk: '1' } })
        expect(await inIndex('open')).toEqual([{ pk, sk: 'x', o_pk: pk, o_sk: '1' }])
        await store.update({ pk, sk: 'x' }, { remove: ['o_sk'] })
        expect(await inIndex('open')).toEqual([])
        await store.update({ pk, sk: 'x' }, { setOnce: { o_sk: '2' } })
        expect(await inIndex('open')).toHaveLength(1)
        await put('x')
        expect(await inIndex('open')).toEqual([])
        await put('x', { o_pk: pk, o_sk: '3' })
        expect(await inIndex('open')).toHaveLength(1)
        await store.delete({ pk, sk: 'x' })
        expect(await inIndex('open')).toEqual([])
      })

      test('answers with keys only', async () => {
        await put('x', { status: 'running', o_pk: pk, o_sk: '1', m_pk: pk, m_sk: '2' })
        expect(await inIndex('open')).toStrictEqual([{ pk, sk: 'x', o_pk: pk, o_sk: '1' }])
        expect(await inIndex('members')).toStrictEqual([{ pk, sk: 'x', m_pk: pk, m_sk: '2' }])
      })

      test('moves an item whose index keys change', async () => {
        for (const [sk, o_sk] of [
          ['x', '1'],
          ['y', '2'],
          ['z', '3'],
        ] as const)
          await put(sk, { o_pk: pk, o_sk })
        await store.update({ pk, sk: 'x' }, { set: { o_sk: '9' } })
        expect((await inIndex('open')).map((item) => item.sk)).toEqual(['y', 'z', 'x'])
        await store.update({ pk, sk: 'z' }, { set: { o_pk: `${pk}-other` } })
        expect((await inIndex('open')).map((item) => item.sk)).toEqual(['y', 'x'])
        expect((await inIndex('open', `${pk}-other`)).map((item) => item.o_sk)).toEqual(['3'])
      })

      test('lists items with equal index keys, each exactly once over all pages', async () => {
        const all = Array.from({ length: 7 }, (_, i) => `${pk}#${i}`)
        await Promise.all(all.map((own) => store.put({ pk: own, sk: '#', o_pk: pk, o_sk: 'same' })))
        for (const reverse of [false, true]) {
          const found = (await pages({ pk, index: 'open', limit: 3, reverse })).flat().map((item) => item.pk)
          expect(found.sort()).toEqual(all)
        }
      })

      test('is not changed by a write whose condition failed', async () => {
        await put('x', { o_pk: pk, o_sk: '1' })
        await store.update({ pk, sk: 'x' }, { set: { o_sk: '2' } }, eq('status', 'gone')).catch(() => undefined)
        expect(await inIndex('open')).toMatchObject([{ o_sk: '1' }])
      })
    })
  })
}
