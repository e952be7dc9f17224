/**
 * Receipt handles: message key and number of the receive, behind a short digest of both and of the queue's salt. So a
 * handle of another queue, of an earlier queue of the same name, or out of thin air is told from a stale one. The
 * digest tells mistakes, it is no protection.
 */
import { createHash } from 'node:crypto'
import { SqsError } from './errors.ts'

const digest = (salt: string, text: string) => createHash('md5').update(`${salt}/${text}`).digest('base64').slice(0, 12)

/** The handle of the `receive`th receive of the message `key`. */
export function receiptHandle(salt: string, key: number, receive: number): string {
  const text = `${key}.${receive}`
  return Buffer.from(`${text}.${digest(salt, text)}`).toString('base64')
}

/** Throws ReceiptHandleIsInvalid when this queue never gave out such a handle. */
export function readReceiptHandle(salt: string, handle: string): { key: number; receive: number } {
  const [key = '', receive = '', check] = Buffer.from(handle, 'base64').toString('latin1').split('.')
  if (check === undefined || digest(salt, `${key}.${receive}`) !== check)
    throw new SqsError('ReceiptHandleIsInvalid', 'The input receipt handle is invalid.')
  return { key: Number(key), receive: Number(receive) }
}
