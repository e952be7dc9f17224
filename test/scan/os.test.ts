import { expect, test } from 'vitest'
import { readOs } from '../../lib/scan/os.ts'
import { packageUrl } from '../../lib/scan/purl.ts'

test.each([
  [{ 'etc/os-release': 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n' }, 'debian', '12'],
  [{ 'usr/lib/os-release': "ID='ubuntu'\nVERSION_ID='22.04'\n" }, 'ubuntu', '22.04'],
  [{ 'etc/os-release': '# c\nID=alpine\nVERSION_ID=3.19.1\r\n' }, 'alpine', '3.19.1'],
  [{ 'etc/os-release': 'ID=wolfi\nVERSION_ID="20230201"' }, 'wolfi', '20230201'],
  [{ 'etc/os-release': 'PRETTY_NAME="Debian GNU/Linux trixie/sid"\nID=debian\n' }, 'debian', ''],
  [{ 'etc/debian_version': '12.5\n' }, 'debian', '12'],
  [{ 'etc/alpine-release': '3.18.4\n' }, 'alpine', '3.18.4'],
  [{ 'etc/os-release': 'garbage', 'usr/lib/os-release': 'ID=fedora\nVERSION_ID=39' }, 'fedora', '39'],
])('%j is %s %s', (files, id, version) => {
  expect(readOs(files as unknown as Record<string, string>)).toMatchObject({ id, version })
})

test('a distribution that says nothing sensible is none', () => {
  for (const text of ['', 'ID=', 'ID="a b"', 'VERSION_ID=12', 'ID=$(rm -rf /)']) {
    expect(readOs({ 'etc/os-release': text })).toBeUndefined()
  }
  expect(readOs({})).toBeUndefined()
})

test.each([
  [{ kind: 'npm' as const, name: '@babel/core', version: '7.0.0', path: '' }, 'pkg:npm/%40babel/core@7.0.0'],
  [
    { kind: 'dpkg' as const, name: 'libstdc++6', version: '1:12.2.0-14+b1', architecture: 'amd64', path: '' },
    'pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64&distro=debian-12',
  ],
])('%j has the package URL %s', (found, url) => {
  expect(packageUrl(found, { id: 'debian', version: '12' })).toBe(url)
})

test('a package of an unknown distribution has the namespace of its format', () => {
  expect(packageUrl({ kind: 'apk', name: 'musl', version: '1.2-r0', path: '' })).toBe('pkg:apk/alpine/musl@1.2-r0')
})
