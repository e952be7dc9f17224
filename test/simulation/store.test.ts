import { expect, test } from 'vitest'
import { storeConformance } from '../store/conformance.ts'
import { asPort, SimulatedStore } from './store.ts'

storeConformance('simulated', async () => ({
  store: asPort(new SimulatedStore({ now: () => 0, lagMs: () => 0, shared: false })),
  close: async () => {},
}))

test('an index that lags shows each item late, by its own time, and never two changes of one item out of order', () => {
  let now = 0
  const lags = [10, 3, 0]
  const store = new SimulatedStore({ now: () => now, lagMs: () => lags.shift() ?? 0, shared: true })
  const shown = () =>
    store.query({ index: 'open', pk: 'O', limit: 9 }).items.map((item) => `${item.pk}${item.o_sk as string}`)
  store.put({ pk: 'a', sk: '#', o_pk: 'O', o_sk: '1' })
  store.put({ pk: 'b', sk: '#', o_pk: 'O', o_sk: '2' })
  store.update({ pk: 'a', sk: '#' }, { set: { o_sk: '3' } })
  expect(shown()).toEqual([])
  now = 3
  expect(shown()).toEqual(['b2'])
  now = 10
  expect(shown()).toEqual(['b2', 'a3'])
  expect(store.get({ pk: 'a', sk: '#' })?.o_sk).toBe('3')
})

test('an item whose keys in one index change stays findable in the other', () => {
  const store = new SimulatedStore({ now: () => 0, lagMs: () => 0, shared: true })
  const key = { pk: 'a', sk: '#' }
  store.put({ ...key, m_pk: 'M', m_sk: '1', o_pk: 'O', o_sk: '1' })
  store.update(key, { set: { o_sk: '2' } })
  store.update(key, { set: { m_sk: '2' } })
  store.update(key, { set: { m_sk: '3' } })
  expect(store.query({ index: 'members', pk: 'M', limit: 9 }).items.map((item) => item.m_sk)).toEqual(['3'])
})
