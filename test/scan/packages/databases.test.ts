import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../../lib/config.ts'
import { Unreadable } from '../../../lib/scan/packages/analyzer.ts'
import { apk } from '../../../lib/scan/packages/apk.ts'
import { dpkg } from '../../../lib/scan/packages/dpkg.ts'
import { npm } from '../../../lib/scan/packages/npm.ts'
import { readFile } from './reading.ts'

const read = (analyzer: typeof dpkg, path: string, text: string) => {
  const gaps: string[] = []
  const packages = analyzer.read(path, Buffer.from(text), {
    limits: defaultLimits,
    packagesLeft: defaultLimits.packagesMax,
    gap: (gap) => gaps.push(gap),
    owns: () => {},
    ownsList: () => {},
  })
  return { packages, gaps }
}
const brief = (found: { name: string; version: string; source?: { name: string; version: string } }) =>
  [found.name, found.version, found.source?.name, found.source?.version].join(' ')

describe('dpkg', () => {
  test('takes what is on disk, held packages too, and leaves removed ones out', () => {
    const stanza = (name: string, status: string) => `Package: ${name}\nStatus: ${status}\nVersion: 1\n`
    const { packages, gaps } = read(
      dpkg,
      'var/lib/dpkg/status',
      [
        stanza('a', 'install ok installed'),
        stanza('b', 'hold ok installed'),
        stanza('c', 'deinstall ok config-files'),
        stanza('d', 'install ok half-configured'),
        stanza('e', 'purge ok not-installed'),
        stanza('f', 'deinstall reinstreq half-installed'),
      ].join('\n'),
    )
    expect(packages.map(({ name }) => name)).toEqual(['a', 'b', 'd'])
    expect(gaps).toEqual([])
  })

  const whole = 'Package: zlib1g\nStatus: install ok installed\nVersion: 1\nDescription: compression\n a library\n\n'
  test.each<[string, string, string[]]>([
    ['an entry without a status', `${whole}Package: f\nVersion: 1\n`, ['has an entry without a status: f 1']],
    [
      'an entry whose status is none',
      `${whole}Package: f\nStatus: install ok inst\nVersion: 1\n`,
      ['has an entry that cannot be read: f install ok inst 1'],
    ],
    ['an entry without a name', `${whole}Packag: f\nVersion: 1\n\n`, ['has an entry without a status: 1']],
    ['an entry of unknown fields alone', `${whole}Packag: f\nVersio: 1\n\n`, ['has an entry without a status: ']],
    [
      'a cut in a field',
      `${whole}Package: libssl3\nStat`,
      [
        'has lines that are no fields (1); packages may be missing',
        'ends in the middle of a line: it was cut, and packages are missing',
        'has an entry without a status: libssl3',
      ],
    ],
    [
      'a cut in a description',
      whole.slice(0, -6),
      ['ends in the middle of a line: it was cut, and packages are missing'],
    ],
    [
      'garbage between entries',
      `${whole}%%%%%\n%%%\n\n${whole}`,
      ['has lines that are no fields (2); packages may be missing'],
    ],
    ['a continuation of nothing', ` text\n${whole}`, ['has lines that are no fields (1); packages may be missing']],
    ['a name with a space', `Pack age: x\n${whole}`, ['has lines that are no fields (1); packages may be missing']],
  ])('tells %s', (_, text, gaps) => {
    const found = read(dpkg, 'var/lib/dpkg/status', text)
    expect(found.gaps.toSorted()).toEqual(gaps.toSorted())
    expect(found.packages.map(({ name }) => name)).toContain('zlib1g')
  })

  test.each([
    ['var/lib/dpkg/status', 'garbage\n'.repeat(10)],
    ['var/lib/dpkg/status.d/libssl3', '@@@@ garbage'],
    ['var/lib/dpkg/status.d/libssl3', 'Description: C\n'],
  ])('%s that holds no entry is told', (path, text) => {
    const { packages, gaps } = read(dpkg, path, text)
    expect(packages).toEqual([])
    expect(gaps).not.toEqual([])
  })

  test('an empty file is a database without packages', () => {
    expect(read(dpkg, 'var/lib/dpkg/status', '')).toEqual({ packages: [], gaps: [] })
  })

  test('a single file of a distroless image may end without a line break', () => {
    const found = read(dpkg, 'var/lib/dpkg/status.d/base', 'Package: base-files\nVersion: 12.4')
    expect(found).toMatchObject({ packages: [{ name: 'base-files' }], gaps: [] })
  })

  test('reads the source with its own version, as after a binNMU, else the binary version', () => {
    const { packages } = read(
      dpkg,
      'var/lib/dpkg/status.d/base',
      'Package: libc6\nSource: glibc\nVersion: 2.36-9\nDescription: C\n Package: not-a-field\n\n\nPackage: libz\r\nVersion: 1.2-3+b1\r\nSource: zlib (1.2-3)\r\n\r\nPackage: own\nVersion: 3\nArchitecture: all\n',
    )
    expect(packages.map(brief)).toEqual(['libc6 2.36-9 glibc 2.36-9', 'libz 1.2-3+b1 zlib 1.2-3', 'own 3 own 3'])
    expect(packages[2]!.architecture).toBe('all')
  })

  test('tells an entry without a version and goes on', () => {
    const { packages, gaps } = read(dpkg, 'var/lib/dpkg/status.d/x', 'Package: a\n\nPackage: b\nVersion: 1\n')
    expect(packages.map(({ name }) => name)).toEqual(['b'])
    expect(gaps).toEqual(['has an entry that cannot be read: a'])
  })

  test.runIf(exists('/work/shared/vulndata/inventories/debian-12.15-minbase-python3.dpkg-status'))(
    'reads a real status file',
    () => {
      const text = readFileSync('/work/shared/vulndata/inventories/debian-12.15-minbase-python3.dpkg-status', 'utf8')
      const { packages, gaps } = read(dpkg, 'var/lib/dpkg/status', text)
      expect(packages).toHaveLength(text.match(/^Status: install ok installed$/gm)!.length)
      expect(gaps).toEqual([])
    },
  )
})

test.each<[what: string, fields: string, owned: boolean]>([
  ['Debian', 'Maintainer: Matthias Klose <doko@debian.org>\nVersion: 3.11.2-6', true],
  ['a team of Debian', 'Maintainer: Debian Python Team <team+python@tracker.debian.org>\nVersion: 1', true],
  ['a list of Debian', 'Maintainer: APT <deity@lists.alioth.debian.org>\nVersion: 1.8~bpo12+1', true],
  [
    'Ubuntu',
    'Maintainer: Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>\nVersion: 1-1ubuntu0.22.04.1',
    true,
  ],
  ['Ubuntu, which says so', 'Origin: Ubuntu\nMaintainer: X <x@canonical.com>\nVersion: 1', true],
  ['whoever cut the fields down', 'Version: 1', true],
  ['NodeSource', 'Maintainer: Ivan Iguaran <ivan@nodesource.com>\nVersion: 18.19.0-1nodesource1', false],
  ['Docker', 'Maintainer: Docker <support@docker.com>\nVersion: 5:24.0.7-1~debian.12~bookworm', false],
  ['Grafana', 'Maintainer: contact@grafana.com\nVersion: 10.2.2', false],
  ['somebody at home, Debian developer or not', 'Maintainer: Some One <one@example.org>\nVersion: 1-1', false],
  ['a false friend', 'Maintainer: X <x@notdebian.org>\nVersion: 1-1', false],
  ['another false friend', 'Maintainer: x@debian.org <x@example.org>\nVersion: 1-1', false],
  ['a personal archive', 'Maintainer: Matthias Klose <doko@debian.org>\nVersion: 3.11.4-1+jammy1', false],
  ['the archive of PostgreSQL', 'Maintainer: X <team+postgresql@tracker.debian.org>\nVersion: 15.4-1.pgdg120+1', false],
  [
    'the archive of sury.org',
    'Maintainer: PHP <team+pkg-php@tracker.debian.org>\nVersion: 8.2.7-1+0~20230610.48+debian12~1.gbpd3ad5d',
    false,
  ],
  ['an archive that puts its name into the revision', 'Version: 18.0.0-1nodesource1', false],
  ['Ubuntu, whose name in the revision is its own', 'Version: 18.0.0-1ubuntu1', true],
  ['another origin', 'Origin: LP-PPA-deadsnakes\nMaintainer: X <x@debian.org>\nVersion: 1-1', false],
])("the files of a package by %s are the distribution's: %#", (_, fields, owned) => {
  const list = ['info/a', 'info/a:amd64']
  const status = (state: string) => `Package: a\nStatus: ${state}\nArchitecture: amd64\n${fields}\n`
  const lists = (path: string, text: string) => readFile(dpkg, path, text).lists
  expect(lists('var/lib/dpkg/status', status('install ok installed'))).toEqual(owned ? list : [])
  expect(lists('var/lib/dpkg/status', status('deinstall ok config-files'))).toEqual([])
  expect(lists('var/lib/dpkg/status.d/A', `Package: a\n${fields}\n`)).toEqual(owned ? ['status.d/A'] : [])
})

describe('apk', () => {
  const whole = 'C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\nF:lib\nR:ld-musl.so\na:0:0:755\nZ:Q1x=\n\n'
  test.each<[string, string, string[]]>([
    ['a record without a name', `${whole}C:Q1abc=\nV:1\nF:usr\n\n`, ['has an entry that cannot be read: 1']],
    ['a record of files alone', `${whole}F:usr\nR:x\n\n`, ['has an entry that cannot be read: ']],
    ['garbage', `${whole}%%%%%\n\n`, ['has lines that are no fields (1); packages may be missing']],
    [
      'a cut in a record',
      `${whole}${whole.slice(0, 30)}`,
      ['ends in the middle of a line: it was cut, and packages are missing'],
    ],
  ])('tells %s', (_, text, gaps) => {
    const found = read(apk, 'lib/apk/db/installed', text)
    expect(found.gaps).toEqual(gaps)
    expect(found.packages.map(({ name }) => name)).toContain('musl')
  })

  test('a whole database, or an empty one, has no gaps', () => {
    expect(read(apk, 'lib/apk/db/installed', `${whole}${whole}`).gaps).toEqual([])
    expect(read(apk, 'lib/apk/db/installed', '').gaps).toEqual([])
  })

  test('reads name, version, architecture and origin', () => {
    const { packages, gaps } = read(
      apk,
      'lib/apk/db/installed',
      'C:Q1abc=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\nS:1\no:openssl\nF:lib\nR:libcrypto.so.3\n\nP:musl\nV:1.2.4-r2\n\nP:broken\n',
    )
    expect(packages.map(brief)).toEqual(['libcrypto3 3.1.4-r5 openssl 3.1.4-r5', 'musl 1.2.4-r2 musl 1.2.4-r2'])
    expect(packages[0]!.architecture).toBe('x86_64')
    expect(gaps).toEqual(['has an entry that cannot be read: broken'])
  })

  test('does not take a binary file for a database', () => {
    expect(() => read(apk, 'lib/apk/db/installed', 'P:a\nV:1\0\n')).toThrow(Unreadable)
  })
})

describe('npm', () => {
  test.each([
    ['node_modules/a/package.json', true],
    ['usr/lib/node_modules/@s/b/package.json', true],
    ['app/node_modules/a/node_modules/b/package.json', true],
    ['app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json', true],
    ['app/node_modules/a/dist/node_modules/b/package.json', true],
    ['app/package.json', false],
    ['app/node_modules/a/lib/package.json', false],
    ['app/node_modules/@s/package.json', false],
    ['app/node_modules/.bin/package.json', false],
    ['app/node_modules/a/test/fixtures/node_modules/b/package.json', false],
    ['app/node_modules/@s/a/test/node_modules/b/package.json', false],
    ['test/node_modules/b/package.json', true],
    ['app/node_modules/test/node_modules/b/package.json', true],
    ['my_node_modules/b/package.json', false],
  ])('%s: a manifest is %s', (path, wanted) => {
    expect(npm.wants(path)).toBe(wanted)
  })

  test('takes name and version only when they are its own strings', () => {
    const path = 'node_modules/a/package.json'
    expect(read(npm, path, '\ufeff{"name":"a","version":"1.0.0","x":1}').packages).toEqual([
      { kind: 'npm', name: 'a', version: '1.0.0', path },
    ])
    for (const none of ['{}', '{"name":"a"}', '{"__proto__":{"name":"a","version":"1"}}'])
      expect(read(npm, path, none).packages).toEqual([])
    for (const bad of [
      '',
      '[]',
      'null',
      '"x"',
      '{"name":{},"version":"1"}',
      '{"name":"a b","version":"1"}',
      '{"name":"a"',
    ])
      expect(() => read(npm, path, bad)).toThrow(Unreadable)
  })

  test('survives JSON a hundred thousand levels deep', () => {
    const deep = `{"x":${'['.repeat(100_000)}${']'.repeat(100_000)},"name":"a","version":"1"}`
    try {
      expect(read(npm, 'node_modules/a/package.json', deep).packages).toHaveLength(1)
    } catch (error) {
      expect(error).toBeInstanceOf(Unreadable)
    }
  })
})

function exists(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch {
    return false
  }
}
