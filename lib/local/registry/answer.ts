/** What a route gives back, and the errors of the OCI distribution specification as one table. */
import type { Readable } from 'node:stream'

export interface Answer {
  status: number
  headers?: Record<string, string | number>
  /** A stream is sent as it comes; its length must stand in `content-length`. */
  body?: Uint8Array | string | Readable
}

/** Codes of the distribution specification ("Error Codes") with the status they usually travel with. */
const CODES = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DENIED: 403,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  TAG_INVALID: 400,
  TOOMANYREQUESTS: 429,
  UNAUTHORIZED: 401,
  UNSUPPORTED: 405,
  // Beyond the specification, as docker-registry says them.
  PAGINATION_NUMBER_INVALID: 400,
  RANGE_INVALID: 416,
  UNKNOWN: 500,
} as const

export type OciCode = keyof typeof CODES

/** Thrown by a route; becomes the JSON error body the specification asks for. */
export class RegistryProblem extends Error {
  readonly code: OciCode
  readonly status: number
  readonly headers: Record<string, string | number>
  readonly details: unknown[]

  constructor(
    code: OciCode,
    message: string,
    more: { status?: number; headers?: Record<string, string | number>; details?: unknown[] } = {},
  ) {
    super(message)
    this.name = 'RegistryProblem'
    this.code = code
    this.status = more.status ?? CODES[code]
    this.headers = more.headers ?? {}
    this.details = more.details ?? [undefined]
  }

  answer(): Answer {
    const errors = this.details.map((detail) => ({ code: this.code, message: this.message, detail }))
    return jsonAnswer(this.status, { errors }, this.headers)
  }
}

/** A JSON answer; HEAD requests get its headers only. */
export function jsonAnswer(status: number, value: unknown, headers: Record<string, string | number> = {}): Answer {
  const body = Buffer.from(JSON.stringify(value))
  return { status, headers: { 'content-type': 'application/json', 'content-length': body.length, ...headers }, body }
}
