/** What an action gets: the queues, its input, and the request it answers. */
import type { Hub } from '../hub.ts'
import type { Input } from '../input.ts'

export interface Call {
  hub: Hub
  input: Input
  /** Aborts when the client has gone before it got its answer. */
  gone: AbortSignal
}

/** Returns the answer; fields that are undefined are left out. Throws SqsError. */
export type Action = (call: Call) => object | Promise<object>
export type Actions = Readonly<Record<string, Action>>
