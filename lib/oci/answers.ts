/** Answers that are not what was asked for, as errors that say what to do. */
import type { IncomingHttpHeaders } from 'node:http'
import { LongshoreError } from '../errors.ts'
import { discard, readBody } from '../net/body.ts'
import type { HttpAnswer } from '../net/http.ts'
import { bareType } from './manifest.ts'

/** Bytes of an error answer that are read: registries answer a few hundred. */
const ERROR_BODY_BYTES_MAX = 8_192

/** What a refusal said: the code of the specification and the registry's own sentence, made printable and short. */
export interface Refusal {
  code: string
  message: string
}

const printable = (value: unknown, max: number): string =>
  typeof value === 'string' ? value.replace(/[^\x20-\x7e]+/g, ' ').slice(0, max) : ''

/**
 * Reads `{errors:[{code,message}]}`; anything else is an empty refusal. Never fails. `clean` sees the whole text before
 * it is cut: a registry may repeat the credentials it was sent, and half a password is one, too.
 */
export async function readRefusal(answer: HttpAnswer, clean: (text: string) => string): Promise<Refusal> {
  const cleaned = (value: unknown) => (typeof value === 'string' ? clean(value) : value)
  try {
    if (bareType(answer.headers['content-type']) === 'text/html') {
      await discard(answer.body)
      return { code: '', message: '' }
    }
    const body = await readBody(answer.body, ERROR_BODY_BYTES_MAX, 'an error answer')
    const first = JSON.parse(body.toString('utf8'))?.errors?.[0]
    return { code: printable(cleaned(first?.code), 60), message: printable(cleaned(first?.message), 200) }
  } catch {
    return { code: '', message: '' }
  }
}

/** ` (404 NAME_UNKNOWN: repository name not known)` */
export function told(status: number, refusal: Refusal): string {
  const said = [refusal.code, refusal.message].filter(Boolean).join(': ')
  return said ? `${status} ${said}` : `${status}`
}

/**
 * A web page where a registry should be: a wrong host name, a captive portal, a proxy. A real registry may send HTML
 * with an error too, but then it names itself in the API version header.
 */
export function isWebPage(headers: IncomingHttpHeaders): boolean {
  return bareType(headers['content-type']) === 'text/html' && !headers['docker-distribution-api-version']
}

export const webPage = (host: string, status: number): LongshoreError =>
  new LongshoreError(
    'registry-invalid',
    `${host} answered ${status} with a web page (text/html); it is not a registry, or a proxy stands in between. Check the host name`,
  )

/** The error for a status that no caller expected. */
export function unexpected(host: string, what: string, status: number, refusal: Refusal): LongshoreError {
  if (status === 401 || status === 403)
    return new LongshoreError(
      'registry-unauthorized',
      `${host} denies ${what} (${told(status, refusal)}); check the credentials of this registry and their rights. Some registries say this for a repository that does not exist, too`,
    )
  if (status >= 500)
    return new LongshoreError('registry-unavailable', `${host} answered ${told(status, refusal)} to ${what}`)
  if (status === 408) return new LongshoreError('registry-timeout', `${host} gave up waiting for ${what} (408)`)
  return new LongshoreError('registry-invalid', `${host} answered ${told(status, refusal)} to ${what}`)
}
