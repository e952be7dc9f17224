/**
 * Which advisory revision the passes are at, and the images they have to look at whatever has changed.
 *
 * A pass goes from the revisions it was at to the one the pointer names: `to` is written before it looks at the index,
 * `froms` is emptied when all is sent. So a verdict by the revision `to` is followed: the next pass begins there and finds
 * the image in the index. A verdict by any other revision was made in the gap between a move of the pointer and the pass,
 * or the pointer has moved more than once: then its image gets a mark, and the next tick has it matched anew.
 */
import { absent, eq } from '../store/condition.ts'
import { ConditionFailed, type Key, type Store } from '../store/port.ts'

export interface Followed {
  /** Absent before the first pass. */
  to?: string
  /** Of a pass that has not come to its end: where it set out, and where those before it did that came to none. */
  froms: string[]
  turn: number
}

const STATE: Key = { pk: 'C#followed', sk: '#' }
const MARKS = 'C#marks'

/** Strongly consistent. */
export async function readFollowed(store: Store): Promise<Followed> {
  const item = await store.get(STATE)
  return {
    ...(typeof item?.to === 'string' ? { to: item.to } : {}),
    froms: (item?.froms as string[] | undefined) ?? [],
    turn: typeof item?.turn === 'number' ? item.turn : 0,
  }
}

/** False: another was faster. */
export async function moveFollowed(
  store: Store,
  { to, froms }: { to: string; froms: string[] },
  seen: Followed,
): Promise<boolean> {
  const change = { set: { to, froms }, add: { turn: 1 } }
  try {
    await store.update(STATE, change, seen.turn === 0 ? absent('turn') : eq('turn', seen.turn))
    return true
  } catch (thrown) {
    if (thrown instanceof ConditionFailed) return false
    throw thrown
  }
}

export interface Mark {
  tenant: string
  digest: string
  turn: number
}

/** One write each; only for what was judged between two ticks. */
export async function markImages(store: Store, tenant: string, digests: readonly string[]): Promise<void> {
  for (const digest of digests) await store.update({ pk: MARKS, sk: `${tenant}#${digest}` }, { add: { turn: 1 } })
}

/** At most a thousand. */
export async function readMarks(store: Store): Promise<Mark[]> {
  const { items } = await store.query({ pk: MARKS, limit: 1_000 })
  return items.map(({ sk, turn }) => {
    const at = sk.lastIndexOf('#')
    return { tenant: sk.slice(0, at), digest: sk.slice(at + 1), turn: Number(turn) }
  })
}

/** Unless it was made again since it was read. */
export async function removeMark(store: Store, { tenant, digest, turn }: Mark): Promise<void> {
  try {
    await store.delete({ pk: MARKS, sk: `${tenant}#${digest}` }, eq('turn', turn))
  } catch (thrown) {
    if (!(thrown instanceof ConditionFailed)) throw thrown
  }
}
