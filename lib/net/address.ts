/**
 * What kind of address an IP is: may we connect to it? Pure, so that the table of spellings in the tests is the proof.
 * Ranges: IANA IPv4 and IPv6 special-purpose registries (RFC 6890 and successors).
 */
import { BlockList, isIP, isIPv6 } from 'node:net'

/** `private` needs the owner's explicit leave (`allowPrivate`); `never` is refused whatever is configured. */
export type AddressKind = 'public' | 'private' | 'never'

const list = (ranges: string[]): BlockList => {
  const blocks = new BlockList()
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/')
    blocks.addSubnet(network, Number(prefix), isIPv6(network) ? 'ipv6' : 'ipv4')
  }
  return blocks
}

const NEVER = list([
  '0.0.0.0/8', // "this network"; Linux connects 0.0.0.0 to loopback
  '169.254.0.0/16', // link-local: instance metadata of every cloud
  '100.100.100.200/32', // metadata of Alibaba Cloud, inside the CGNAT range
  '192.0.0.0/24', // IETF protocol assignments: metadata of Oracle Cloud at 192.0.0.192
  '192.0.2.0/24', // documentation
  '198.51.100.0/24',
  '203.0.113.0/24',
  '192.88.99.0/24', // 6to4 relay anycast, deprecated
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and 255.255.255.255 broadcast
  '::/128',
  '100::/64', // discard
  '2001:db8::/32', // documentation
  'fe80::/10', // link-local
  'fec0::/10', // site-local, deprecated
  'ff00::/8', // multicast
  'fd00:ec2::/32', // metadata and time of AWS (fd00:ec2::254)
  'fd20:ce::254/128', // metadata of Google Cloud
])

const PRIVATE = list([
  '10.0.0.0/8',
  '100.64.0.0/10', // carrier-grade NAT, used inside clusters
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarking, used inside laboratories
  '::1/128',
  'fc00::/7', // unique local
])

/** Judges a textual IP address (no host names, no brackets). Anything that is not an address is `never`. */
export function addressKind(address: string): AddressKind {
  const plain = address.split('%')[0] ?? ''
  const version = isIP(plain)
  if (version === 0) return 'never'
  if (version === 4) return kindOf(plain, 'ipv4')
  const embedded = embeddedIPv4(plain)
  return embedded === undefined ? kindOf(plain, 'ipv6') : kindOf(embedded, 'ipv4')
}

const kindOf = (address: string, family: 'ipv4' | 'ipv6'): AddressKind =>
  NEVER.check(address, family) ? 'never' : PRIVATE.check(address, family) ? 'private' : 'public'

/**
 * The IPv4 address that a translating IPv6 address leads to: IPv4-mapped and -compatible (::ffff:a.b.c.d, ::a.b.c.d),
 * NAT64 (64:ff9b::/96, RFC 6052) and 6to4 (2002::/16). Otherwise `::ffff:127.0.0.1` would pass as a public address.
 */
function embeddedIPv4(address: string): string | undefined {
  const words = ipv6Words(address)
  const dotted = (high: number, low: number) => `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  const zeros = (count: number) => words.slice(0, count).every((word) => word === 0)
  const tail = dotted(words[6] ?? 0, words[7] ?? 0)
  if (zeros(5) && words[5] === 0xffff) return tail
  if (zeros(4) && words[4] === 0xffff && words[5] === 0) return tail // ::ffff:0:a.b.c.d, RFC 2765
  if (zeros(6) && (words[6] !== 0 || (words[7] ?? 0) > 1)) return tail
  if (words[0] === 0x64 && words[1] === 0xff9b) return tail
  if (words[0] === 0x2002) return dotted(words[1] ?? 0, words[2] ?? 0)
  return undefined
}

/** Eight 16-bit words. `address` has passed `isIP`, so its grammar is right. */
function ipv6Words(address: string): number[] {
  const parse = (text: string): number[] =>
    text === ''
      ? []
      : text.split(':').flatMap((part) => {
          if (!part.includes('.')) return [Number.parseInt(part, 16)]
          const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
          return [a * 256 + b, c * 256 + d]
        })
  const [head = '', tail] = address.split('::')
  const front = parse(head)
  if (tail === undefined) return front
  const back = parse(tail)
  return [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back]
}
