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
  [{ 'etc/redhat-release': 'CentOS Linux release 7.9.2009 (Core)\n' }, 'centos', '7.9.2009'],
  [{ 'etc/redhat-release': 'Red Hat Enterprise Linux release 8.4 (Ootpa)\n' }, 'rhel', '8.4'],
  [
    {
      'etc/redhat-release': 'Red Hat Enterprise Linux Server release 7.9 (Maipo)\n',
      'etc/oracle-release': 'Oracle Linux Server release 7.9\n',
    },
    'ol',
    '7.9',
  ],
  [{ 'etc/almalinux-release': 'AlmaLinux release 8.9 (Midnight Oncilla)\n' }, 'almalinux', '8.9'],
  [{ 'etc/rocky-release': 'Rocky Linux release 9.3 (Blue Onyx)\n' }, 'rocky', '9.3'],
  [{ 'etc/fedora-release': 'Fedora release 39 (Thirty Nine)\n' }, 'fedora', '39'],
  [{ 'etc/system-release': 'Amazon Linux release 2 (Karoo)\n' }, 'amzn', '2'],
  [{ 'etc/photon-release': 'VMware Photon OS 4.0\nPHOTON_BUILD_NUMBER=1526e30ba\n' }, 'photon', '4.0'],
  [{ 'etc/SuSE-release': 'SUSE Linux Enterprise Server 12 (x86_64)\nVERSION = 12\nPATCHLEVEL = 5\n' }, 'sles', '12.5'],
  [{ 'etc/SuSE-release': 'openSUSE 42.3 (x86_64)\nVERSION = 42.3\n' }, 'opensuse-leap', '42.3'],
  [
    { 'etc/lsb-release': 'DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=20.04\n', 'etc/debian_version': 'bullseye/sid' },
    'ubuntu',
    '20.04',
  ],
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
  [
    { kind: 'rpm' as const, name: 'bash', version: '1:5.1-2.el9', architecture: 'x86_64', path: '' },
    'pkg:rpm/debian/bash@5.1-2.el9?arch=x86_64&distro=debian-12&epoch=1',
  ],
  [{ kind: 'python' as const, name: 'Foo_Bar', version: '1.0+local', path: '' }, 'pkg:pypi/foo-bar@1.0%2Blocal'],
  [{ kind: 'gem' as const, name: 'rack', version: '2.2', path: '' }, 'pkg:gem/rack@2.2'],
  [{ kind: 'composer' as const, name: 'Symfony/Http', version: 'v4', path: '' }, 'pkg:composer/symfony/http@v4'],
  [{ kind: 'nuget' as const, name: 'Newtonsoft.Json', version: '12', path: '' }, 'pkg:nuget/Newtonsoft.Json@12'],
  [{ kind: 'maven' as const, name: 'org.a:b', version: '1', path: '' }, 'pkg:maven/org.a/b@1'],
  [{ kind: 'maven' as const, name: 'b', version: '1', path: '' }, 'pkg:maven/b@1'],
  [
    { kind: 'go' as const, name: 'github.com/A/b~c', version: 'v1.0.0+incompatible', path: '' },
    'pkg:golang/github.com/A/b~c@v1.0.0%2Bincompatible',
  ],
  [{ kind: 'cargo' as const, name: 'time', version: '0.1.43', path: '' }, 'pkg:cargo/time@0.1.43'],
])('%j has the package URL %s', (found, url) => {
  expect(packageUrl(found, { id: 'debian', version: '12' })).toBe(url)
})

test('the namespace of rpm packages is the one other tools use', () => {
  const found = { kind: 'rpm' as const, name: 'a', version: '1-1', path: '' }
  expect(packageUrl(found, { id: 'rhel', version: '9.4' })).toBe('pkg:rpm/redhat/a@1-1?distro=rhel-9.4')
  expect(packageUrl(found, { id: 'opensuse-leap', version: '15.5' })).toContain('pkg:rpm/opensuse/a@')
})

test('a package of an unknown distribution has the namespace of its format', () => {
  expect(packageUrl({ kind: 'apk', name: 'musl', version: '1.2-r0', path: '' })).toBe('pkg:apk/alpine/musl@1.2-r0')
})
