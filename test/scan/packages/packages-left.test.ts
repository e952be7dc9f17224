/** Lists of packages longer than what a layer has room for: no reader makes more of them than it takes to know. */
import { deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../../lib/config.ts'
import type { FoundPackage } from '../../../lib/scan/model.ts'
import type { ReadingRoom } from '../../../lib/scan/packages/analyzer.ts'
import { apk } from '../../../lib/scan/packages/apk.ts'
import { composer } from '../../../lib/scan/packages/composer.ts'
import { dpkg } from '../../../lib/scan/packages/dpkg.ts'
import { readGoBuild } from '../../../lib/scan/packages/go.ts'
import { java } from '../../../lib/scan/packages/java.ts'
import { nuget } from '../../../lib/scan/packages/nuget.ts'
import { rpm } from '../../../lib/scan/packages/rpm.ts'
import { readRustAudit } from '../../../lib/scan/packages/rust.ts'
import { body, END, header, inventoryOf } from '../archives.ts'
import { fixture } from './reading.ts'
import { zipOf } from './zips.ts'

const LEFT = 1
const NAMES = ['a', 'b', 'c', 'd']
const lines = (line: (name: string) => string) => Buffer.from(NAMES.map(line).join(''))

const goList = () => {
  const text = NAMES.map((name) => `dep\t${name}\tv1.0.0\n`).join('')
  const information = `${'\x01'.repeat(16)}${text}${'\x02'.repeat(16)}`
  const head = Buffer.alloc(32)
  head[15] = 2
  return Buffer.concat([head, Buffer.from('\x08go1.19.8'), Buffer.from([information.length]), Buffer.from(information)])
}
const crates = NAMES.map((name) => ({ name, version: '1.0.0', source: 'crates.io' }))
const coordinates = (name: string) => `groupId=g\nartifactId=${name}\nversion=1\n`

type Reader = (path: string, content: Buffer, room: ReadingRoom) => FoundPackage[]
const LISTS: [what: string, read: Reader, path: string, content: Buffer][] = [
  ['apk', apk.read, 'lib/apk/db/installed', lines((name) => `P:${name}\nV:1\n\n`)],
  [
    'dpkg',
    dpkg.read,
    'var/lib/dpkg/status',
    lines((name) => `Package: ${name}\nStatus: install ok installed\nVersion: 1\n\n`),
  ],
  ['rpm', rpm.read, 'usr/lib/sysimage/rpm/rpmdb.sqlite', fixture('rpm/rpmdb.sqlite')],
  ['Composer', composer.read, 'vendor/composer/installed.json', Buffer.from(JSON.stringify(crates))],
  [
    '.NET',
    nuget.read,
    'app/app.deps.json',
    Buffer.from(JSON.stringify({ libraries: Object.fromEntries(NAMES.map((n) => [`${n}/1`, { type: 'package' }])) })),
  ],
  [
    'Java',
    java.read,
    'app/app.jar',
    zipOf(NAMES.map((n) => ({ name: `META-INF/maven/g/${n}/pom.properties`, content: coordinates(n) }))),
  ],
  ['Go', readGoBuild, 'usr/bin/tool', goList()],
  ['Rust', readRustAudit, 'usr/bin/tool', deflateSync(JSON.stringify({ packages: crates }))],
]

test.each(LISTS)('%s stops after one more than there is room for', (_, read, path, content) => {
  const room = (packagesLeft: number) => ({ limits: defaultLimits, packagesLeft, gap() {}, owns() {}, ownsList() {} })
  expect(read(path, content, room(LEFT))).toHaveLength(LEFT + 1)
  expect(read(path, content, room(100)).length).toBeGreaterThan(LEFT + 1)
})

describe('a layer with more packages than are judged', () => {
  const limits = { ...defaultLimits, packagesMax: 3 }
  const gaps = ['the layer has more than 3 packages; the rest was not judged']
  const entry = (path: string, content: Buffer) => [header(path, content.length), body(content)]

  test('in one list and the next is told once', async () => {
    const json = Buffer.from(JSON.stringify(crates))
    const archive = [...entry('a/composer/installed.json', json), ...entry('b/composer/installed.json', json), END]
    const { packages, ...layer } = await inventoryOf(Buffer.concat(archive), { limits })
    expect(packages.map(({ name, path }) => `${path} ${name}`)).toEqual(
      ['a', 'b', 'c'].map((name) => `a/composer/installed.json ${name}`),
    )
    expect(layer.gaps).toEqual(gaps)
  })

  test('that are one file of many names is told too', async () => {
    const json = Buffer.from(JSON.stringify(crates.slice(0, 2)))
    const link = header('b/composer/installed.json', 0, '1', (block) => block.write('a/composer/installed.json', 157))
    const archive = [...entry('a/composer/installed.json', json), link, END]
    const { packages, ...layer } = await inventoryOf(Buffer.concat(archive), { limits })
    expect(packages.map(({ name, path }) => `${path} ${name}`)).toEqual([
      'a/composer/installed.json a',
      'a/composer/installed.json b',
      'b/composer/installed.json a',
    ])
    expect(layer.gaps).toEqual(gaps)
  })
})
