import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressKind } from '../../lib/net/address.ts'

describe('addresses', () => {
  test.each([
    '169.254.169.254', '169.254.0.1', '0.0.0.0', '0.1.2.3', '255.255.255.255', '224.0.0.1', '239.255.255.250', '240.0.0.1',
    '100.100.100.200', '192.0.0.192', '::', 'fe80::1', 'fe80::1%eth0', 'febf::1', 'ff02::1', 'fd00:ec2::254', 'fd20:ce::254',
    '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '0:0:0:0:0:ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1',
    '::169.254.169.254', '::ffff:0:169.254.169.254', 'localhost', '', '1.2.3', '0x7f.0.0.1',
  ])('%s is never connected to', (address) => {
    expect(addressKind(address)).toBe('never')
  }) // biome-ignore format: a table

  test.each([
    '127.0.0.1',
    '127.255.255.254',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '::1',
    'fc00::1',
    'fd12:3456::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '::127.0.0.1',
  ])('%s needs leave', (address) => {
    expect(addressKind(address)).toBe('private')
  })

  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
    '2002:808:808::1',
  ])('%s is public', (address) => {
    expect(addressKind(address)).toBe('public')
  })

  test('an IPv4-mapped IPv6 address is judged as its IPv4 address', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(addressKind(`::ffff:${address}`)).toBe(addressKind(address))
      }),
    )
  })
})
