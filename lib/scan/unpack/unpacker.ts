/** Takes packed bytes and hands on plain ones. */
export interface Unpacker {
  /** Of any sizes, in order. Resolves when more can be taken; rejects with what went wrong by then. */
  write(pieces: readonly Buffer[]): Promise<void> | void
  /** Resolves when the last plain byte was handed on. */
  end(): Promise<void> | void
  /** Whoever waits is told the reason. Nothing after the end, or a second time. */
  destroy(reason: unknown): void
}

/** Gets each plain piece in order and must not keep it. What it throws ends the unpacking. */
export type Deliver = (chunk: Buffer) => void

/** One piece of several, without a copy when it is one. */
export const joined = (pieces: readonly Buffer[]): Buffer =>
  pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
