import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Backlog, type Entry } from '../../lib/queue/backlog.ts'
import { Heap } from '../../lib/queue/heap.ts'

interface Thing extends Entry {
  id: number
}
const thing = (id: number, group?: string, visibleAt = 0): Thing => ({
  id,
  group,
  visibleAt,
  order: 0,
  state: 'ready',
  place: -1,
})

describe('a heap whose members know their place', () => {
  it('gives out in order whatever leaves and changes in between', () => {
    const step = fc.record({ key: fc.integer({ min: 0, max: 50 }), pick: fc.nat(), act: fc.nat({ max: 2 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const heap = new Heap<{ key: number; place: number }>((a, b) => a.key < b.key)
        const model: { key: number; place: number }[] = []
        for (const { key, pick, act } of steps) {
          const member = model[pick % Math.max(1, model.length)]
          if (act === 0 || !member) {
            model.push({ key, place: -1 })
            heap.push(model.at(-1)!)
          } else if (act === 1) {
            model.splice(model.indexOf(member), 1)
            heap.delete(member)
            heap.delete(member)
          } else {
            member.key = key
            heap.update(member)
          }
        }
        const out: number[] = []
        for (let next = heap.pop(); next; next = heap.pop()) out.push(next.key)
        expect(out).toEqual(model.map((m) => m.key).sort((a, b) => a - b))
      }),
      { seed: 1, numRuns: 300 },
    )
  })
})

describe('a backlog', () => {
  it('loses and doubles nothing, and its counts add up, whatever happens', () => {
    const step = fc.record({ act: fc.nat({ max: 4 }), pick: fc.nat(), group: fc.constantFrom(undefined, 'a', 'b') })
    const property = fc.property(fc.boolean(), fc.array(step, { maxLength: 120 }), (ordered, steps) => {
      const backlog = new Backlog<Thing>({ ordered })
      const held = new Map<number, Thing>()
      let now = 0
      let ids = 0
      for (const { act, pick, group } of steps) {
        const some = [...held.values()][pick % Math.max(1, held.size)]
        if (act === 0) {
          const entry = thing(++ids, ordered ? (group ?? 'c') : group, now + (pick % 3))
          held.set(entry.id, entry)
          backlog.add(entry, now)
        } else if (act === 1) {
          const entry = backlog.take(now)
          if (entry) {
            expect(held.get(entry.id)).toBe(entry)
            const sameGroup = [...held.values()].filter((e) => e.group === entry.group && e !== entry)
            if (ordered) expect(sameGroup.every((e) => e.state !== 'inFlight')).toBe(true)
            backlog.hide(entry, now + 2 + (pick % 5), now)
          }
        } else if (act === 2 && some) {
          held.delete(some.id)
          backlog.remove(some)
        } else if (act === 3 && some?.state === 'inFlight') backlog.hide(some, now + (pick % 4), now)
        else now += pick % 3
        backlog.settle(now)
        const states = [...held.values()].map((e) => e.state)
        const count = (state: string) => states.filter((s) => s === state).length
        expect(backlog.counts).toEqual({
          visible: count('ready'),
          delayed: count('delayed'),
          inFlight: count('inFlight'),
        })
        const waiting = [...held.values()].filter((e) => e.state !== 'ready').map((e) => e.visibleAt)
        expect(backlog.nextChange()).toBe(waiting.length === 0 ? undefined : Math.min(...waiting))
      }
      now += 100
      const out = new Set<number>()
      for (let entry = backlog.take(now); entry; entry = backlog.take(now)) {
        out.add(entry.id)
        backlog.remove(entry)
      }
      expect(out).toEqual(new Set(held.keys()))
    })
    fc.assert(property, { seed: 2, numRuns: 200 })
  })

  it('serves a group that waited before groups that come later, however many come', () => {
    const backlog = new Backlog<Thing>()
    for (let i = 0; i < 5; i++) backlog.add(thing(i, 'old'), 0)
    const served: (string | undefined)[] = []
    for (let i = 10; i < 20; i++) {
      backlog.add(thing(i, `new ${i}`), 0)
      const entry = backlog.take(0)!
      served.push(entry.group)
      backlog.remove(entry)
    }
    expect(served.filter((group) => group === 'old').length).toBeGreaterThanOrEqual(3)
  })
})
