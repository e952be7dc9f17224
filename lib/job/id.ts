/** Job and execution ids: 26 characters of Crockford's base 32, as ULIDs: 48 bits of time, then 80 random bits. */
import { hash } from 'node:crypto'
import type { Clock, Random } from '../clock.ts'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
export const ID_PATTERN = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/** A new time-ordered id. */
export function newId(clock: Clock, random: Random): string {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(clock.now()) << 16n)
  bytes.set(random.bytes(10), 6)
  return encode(bytes)
}

/**
 * The id of something that must exist once however often it is asked for: the hash of what names it. One conditional
 * put with this id is then also the dedupe.
 */
export function idOf(...parts: string[]): string {
  // The length before each part keeps ("a", "bc") and ("ab", "c") apart.
  const named = parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('')
  return encode(hash('sha256', named, 'buffer').subarray(0, 16))
}

/** 0..shards-1 from the last bits of an id, which are random in both kinds. */
export function shardOf(id: string, shards: number): number {
  return ALPHABET.indexOf(id.at(-1) ?? '0') % shards
}

function encode(bytes: Uint8Array): string {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  let text = ''
  for (let i = 0; i < 26; i++) {
    text = ALPHABET[Number(value & 31n)] + text
    value >>= 5n
  }
  return text
}
