/**
 * The egress guard: decides at connect time, on the very addresses the socket will use, so that neither a redirect nor
 * a DNS answer that changes between check and use (rebinding) can lead us inside.
 */
import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { LongshoreError } from '../errors.ts'
import { addressKind } from './address.ts'

/** Resolves a host name to all its addresses; replaceable so that tests own the DNS. */
export type Resolver = (host: string) => Promise<LookupAddress[]>

export const systemResolver: Resolver = (host) =>
  new Promise((resolve, reject) => {
    systemLookup(host, { all: true, verbatim: true }, (error, addresses) =>
      error ? reject(error) : resolve(addresses),
    )
  })

const refusal = (host: string, address: string, never: boolean) =>
  new LongshoreError(
    'registry-not-allowed',
    never
      ? `${host} leads to ${address}, an address Longshore never connects to (link-local, metadata, multicast or reserved)`
      : `${host} leads to the private address ${address}; an administrator can allow it with a registry object for this host that says "allowPrivate": true`,
  )

/** Throws `registry-not-allowed` unless the address may be connected to. */
export function checkAddress(host: string, address: string, allowPrivate: boolean): void {
  const kind = addressKind(address)
  if (kind === 'never' || (kind === 'private' && !allowPrivate)) throw refusal(host, address, kind === 'never')
}

/** The address when the host of a URL is written as one, without brackets. */
export function literalAddress(hostname: string): string | undefined {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  return isIP(bare) ? bare : undefined
}

/** Refuses a literal address before any socket exists: Node does not call `lookup` for those. */
export function checkLiteralHost(hostname: string, allowPrivate: boolean): void {
  const address = literalAddress(hostname)
  if (address) checkAddress(address, address, allowPrivate)
}

/**
 * The `lookup` of our agents. One forbidden address among the answers refuses the name: a name that leads both inside
 * and outside is an attack or a mistake. Node connects to exactly the addresses returned here.
 */
export function guardedLookup(resolver: Resolver, allowPrivate: boolean): LookupFunction {
  return (host, options, callback) => {
    resolver(host).then(
      (addresses) => {
        try {
          for (const { address } of addresses) checkAddress(host, address, allowPrivate)
        } catch (error) {
          return callback(error as NodeJS.ErrnoException, '', 0)
        }
        const first = addresses[0]
        if (!first) return callback(Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' }), '', 0)
        if (options.all) callback(null, addresses)
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    )
  }
}
