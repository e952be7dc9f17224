/** Package databases, one target each, programs and archives among them. */
import { deflateSync } from 'node:zlib'
import { defaultLimits, type Limits } from '../../../lib/config.ts'
import type { FoundPackage } from '../../../lib/scan/model.ts'
import { type Analyzer, isField } from '../../../lib/scan/packages/analyzer.ts'
import { apk } from '../../../lib/scan/packages/apk.ts'
import { composer } from '../../../lib/scan/packages/composer.ts'
import { dpkg } from '../../../lib/scan/packages/dpkg.ts'
import {
  EXECUTABLE_BYTES_MIN,
  ExecutableProbe,
  type ProbeResult,
  type Range,
} from '../../../lib/scan/packages/executable.ts'
import { gem } from '../../../lib/scan/packages/gem.ts'
import { java } from '../../../lib/scan/packages/java.ts'
import { npm } from '../../../lib/scan/packages/npm.ts'
import { nuget } from '../../../lib/scan/packages/nuget.ts'
import { OwnedPaths } from '../../../lib/scan/packages/owned.ts'
import { python } from '../../../lib/scan/packages/python.ts'
import { rpm } from '../../../lib/scan/packages/rpm.ts'
import { packageUrl, parsePurl } from '../../../lib/scan/purl.ts'
import { fixture, readFile } from '../../scan/packages/reading.ts'
import { zipOf } from '../../scan/packages/zips.ts'
import { hold, type Target } from '../target.ts'

/** What a fuzzed file may keep busy: the limits of real ones would only take longer to reach. */
const limits: Limits = { ...defaultLimits, archiveInflatedBytesMax: 8_388_608, archiveMembersMax: 5_000 }
const SENTENCES_MAX = 2_000

/** What every reader promises of every package, whatever it was given. */
function holdPackages(packages: readonly FoundPackage[], gaps: readonly string[]): void {
  for (const found of packages) {
    hold(isField(found.name) && isField(found.version), `a name or version is none: ${JSON.stringify(found)}`)
    hold(parsePurl(packageUrl(found)) !== undefined, `has no package URL: ${JSON.stringify(found)}`)
  }
  for (const gap of gaps) hold(gap.length < SENTENCES_MAX, `a gap is a book: ${gap.slice(0, 200)}`)
}

function analyzing(name: string, analyzer: Analyzer, path: string, seeds: Target['seeds'], more: Partial<Target> = {}) {
  return {
    name,
    seeds,
    run(input) {
      const { packages, gaps, unreadable } = readFile(analyzer, path, input, limits)
      holdPackages(packages, [...gaps, ...(unreadable ? [unreadable] : [])])
    },
    ...more,
  } satisfies Target
}

const texts = (...inputs: string[]) => inputs.map((text) => Buffer.from(text))
const SITE = 'usr/lib/python3/site-packages'

const pom = 'version=2.14.1\r\ngroupId=org.apache\r\nartifactId=log4j-core\r\n'
const jar = zipOf([{ name: 'META-INF/maven/org.apache/log4j-core/pom.properties', content: pom }])
const plainJar = zipOf([
  {
    name: 'META-INF/MANIFEST.MF',
    content: 'Manifest-Version: 1.0\r\nBundle-SymbolicName: org.a.b\r\nBundle-Version: 1\r\n',
  },
])
const JARS = [
  jar,
  plainJar,
  zipOf([
    { name: 'WEB-INF/lib/a.jar', content: jar },
    { name: 'b.jar', content: plainJar, stored: true },
  ]),
  zipOf([{ name: 'a.jar', content: jar, stored: true }], Buffer.from('#!/bin/sh\n')),
]
const EGG = zipOf([{ name: 'EGG-INFO/PKG-INFO', content: 'Name: six\nVersion: 1.16.0\n' }])

const databases: readonly Target[] = [
  analyzing('dpkg', dpkg, 'var/lib/dpkg/status', {
    inputs: texts(
      'Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.36-9)\nVersion: 2.36-9+deb12u1\nDescription: C\n long\n .\n\nPackage: x\nStatus: deinstall ok config-files\nVersion: 1\n\n',
      'Package: a\r\nStatus: hold ok installed\r\nVersion: 1:1.0-1+b1\r\n\r\n',
    ),
    words: ['Package: ', 'Status: ', 'install ok installed', 'Version: ', 'Source: ', ' (', ')', '+b1'],
  }),
  analyzing('dpkg-status.d', dpkg, 'var/lib/dpkg/status.d/base', {
    inputs: texts('Package: base-files\nVersion: 12.4\nArchitecture: amd64\nMaintainer: x <y@z>\n'),
  }),
  analyzing('apk', apk, 'lib/apk/db/installed', {
    inputs: texts(
      'C:Q1abc=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\no:openssl\nF:lib\nR:libcrypto.so.3\n\nP:musl\nV:1.2.4-r2\n\n',
    ),
    words: ['P:', 'V:', 'o:', 'A:', 'F:', 'R:'],
  }),
  analyzing('npm', npm, 'app/node_modules/a/package.json', {
    inputs: texts(
      '{"name":"a","version":"1.0.0","dependencies":{"b":"^1"}}',
      '\ufeff{"name":"@s/b","version":"2.0.0-rc.1+x"}',
    ),
    words: ['"name"', '"version"', '"__proto__"', '1.0.0', '@', '\\u0000'],
  }),
  analyzing('python', python, `${SITE}/a-1.dist-info/METADATA`, {
    inputs: texts('Metadata-Version: 2.1\nName: Foo.Bar\nVersion: 1.0.post1\nSummary: x\n\nName: other\n'),
    words: ['Name: ', 'Version: '],
  }),
  analyzing('egg', python, `${SITE}/six-1.16.0-py3.11.egg`, { inputs: [EGG], words: ['PK\x01\x02', 'PK\x05\x06'] }),
  analyzing('gem', gem, 'usr/lib/ruby/gems/3.1.0/specifications/rack-2.2.22.gemspec', {
    inputs: texts(
      '# stub: nokogiri 1.13.10 x86_64-linux lib\nGem::Specification.new do |s|\n  s.name = "rack".freeze\n  s.version = "2.2.22"\nend\n',
      "  s.name = %q{x}\n  s.version = Gem::Version.new('13.0.6')\n",
    ),
    words: ['s.name = ', 's.version = ', '# stub: ', '%q{', '.freeze'],
  }),
  analyzing('composer', composer, 'var/www/vendor/composer/installed.json', {
    inputs: texts(
      '{"packages":[{"name":"a/b","version":"1.0","version_normalized":"1.0.0.0"}],"dev":true}',
      '[{"name":"c/d","version":"v2"}]',
    ),
    words: ['"packages"', '"name"', '"version"', 'null'],
  }),
  analyzing('nuget', nuget, 'app/App.deps.json', {
    inputs: texts(
      '{"libraries":{"A.B/1.0.0":{"type":"package"},"runtimepack.X/6.0.1":{"type":"runtimepack"},"P/1":{"type":"project"}}}',
    ),
    words: ['"libraries"', '"type"', '"package"', '/'],
  }),
  analyzing(
    'java',
    java,
    'opt/app-1.2.jar',
    { inputs: JARS, words: ['PK\x01\x02', 'PK\x03\x04', 'PK\x05\x06', '.jar', 'META-INF/MANIFEST.MF'] },
    { share: 0.7 },
  ),
  analyzing('rpm-sqlite', rpm, 'var/lib/rpm/rpmdb.sqlite', { inputs: [fixture('rpm/rpmdb.sqlite')] }, { share: 0.1 }),
  analyzing(
    'rpm-bdb',
    rpm,
    'var/lib/rpm/Packages',
    { inputs: ['Packages', 'Packages-big-endian'].map((name) => fixture(`rpm/${name}`)) },
    { share: 0.2 },
  ),
]

/** Headers alone, of the format rpm writes itself: no page of a database hides what is wrong with them. */
function ndb(header: Buffer): Buffer {
  const bytes = Math.ceil((16 + header.length + 12) / 16) * 16
  const head = Buffer.alloc(4_096)
  head.write('RpmP', 0, 'latin1')
  head.writeUInt32LE(1, 12)
  for (let at = 32; at < 4_096; at += 16) head.write('Slot', at, 'latin1')
  head.writeUInt32LE(1, 36)
  head.writeUInt32LE(256, 40)
  head.writeUInt32LE(bytes / 16, 44)
  const body = Buffer.alloc(bytes)
  body.write('BlbS', 0, 'latin1')
  body.writeUInt32LE(1, 4)
  body.writeUInt32LE(header.length, 12)
  header.copy(body, 16)
  body.write('BlbE', bytes - 4, 'latin1')
  return Buffer.concat([head, body])
}

/** Tags 1000.. of a header, each a string (6), a list of strings (8) or numbers (4). */
function rpmHeader(tags: readonly [tag: number, type: number, values: readonly (string | number)[]][]): Buffer {
  const data: Buffer[] = []
  const index = Buffer.alloc(16 * tags.length)
  let at = 0
  for (const [i, [tag, type, values]] of tags.entries()) {
    const bytes = Buffer.concat(
      values.map((value) => (typeof value === 'string' ? Buffer.from(`${value}\0`) : Buffer.from([0, 0, 0, value]))),
    )
    for (const [j, number] of [tag, type, at, values.length].entries()) index.writeUInt32BE(number, 16 * i + 4 * j)
    data.push(bytes)
    at += bytes.length
  }
  const counts = Buffer.alloc(8)
  counts.writeUInt32BE(tags.length, 0)
  counts.writeUInt32BE(at, 4)
  return Buffer.concat([counts, index, ...data])
}
const HEADER = rpmHeader([
  [1000, 6, ['bash']],
  [1001, 6, ['5.1']],
  [1002, 6, ['2.el9']],
  [1003, 4, [1]],
  [1011, 6, ['Vendor']],
  [1022, 6, ['x86_64']],
  [1044, 6, ['bash-5.1-2.el9.src.rpm']],
  [1116, 4, [0, 1]],
  [1117, 8, ['x', 'y']],
  [1118, 8, ['/usr/bin/', '/usr/share/']],
])

/** A program that streams by in pieces; what it asks for is read again. */
function probe(program: Buffer, range?: Range): ProbeResult | undefined {
  let result: ProbeResult | undefined
  const sink = new ExecutableProbe('usr/bin/tool', program.length, {
    limits,
    packagesLeft: limits.packagesMax,
    range,
    done: (done) => {
      result = done
    },
  })
  for (let at = 0; at < program.length; at += 65_536)
    if (!sink.push(Buffer.from(program.subarray(at, at + 65_536)))) return undefined
  sink.end()
  return result
}

/** 64 KiB of an ELF program whose data begins in its first page: the layout is real, the code is not there. */
function goProgram(): Buffer {
  const program = Buffer.alloc(69_632)
  const whole = fixture('programs/go')
  whole.copy(program, 0, 0, 4_096)
  for (let i = 0; i < program.readUInt16LE(56); i++) {
    const at = 64 + 56 * i
    if (program.readUInt32LE(at) === 1 && (program.readUInt32LE(at + 4) & 2) === 2)
      program.writeBigUInt64LE(4_096n, at + 8)
  }
  const text = `${'\x01'.repeat(16)}path\tx.org/a\nmod\tx.org/a\tv2.0.0\th1:x=\ndep\tx.org/b\tv1.0.0\n=>\t./b\t(devel)\t\n${'\x02'.repeat(16)}`
  const mark = Buffer.alloc(32)
  mark.write('\xff Go buildinf:', 'latin1')
  mark[14] = 8
  mark[15] = 2
  const varint = (length: number) => Buffer.from(length < 128 ? [length] : [(length & 0x7f) | 0x80, length >> 7])
  Buffer.concat([mark, varint(6), Buffer.from('go1.22'), varint(text.length), Buffer.from(text, 'latin1')]).copy(
    program,
    4_096,
  )
  return program
}

const crates =
  '{"packages":[{"name":"time","version":"0.1.43","source":"crates.io"},{"name":"b","version":"1","source":"crates.io","kind":"build"}]}'

const programs: readonly Target[] = [
  {
    name: 'rpm-header',
    seeds: { inputs: [HEADER] },
    dress: ndb,
    run(input) {
      const { packages, gaps } = readFile(rpm, 'usr/lib/sysimage/rpm/Packages.db', input, limits)
      holdPackages(packages, gaps)
    },
  },
  {
    name: 'program',
    seeds: { inputs: [goProgram()], words: ['\xff Go buildinf:', 'go1.21rc2', 'dep\t', '=>\t', '.dep-v0\0'] },
    share: 0.3,
    // A layer shows it no smaller ones.
    dress: (input) => Buffer.concat([input, Buffer.alloc(Math.max(0, EXECUTABLE_BYTES_MIN - input.length))]),
    run(input) {
      const first = probe(input)
      holdPackages(first?.packages ?? [], first?.gaps ?? [])
      const second = first?.again && probe(input, first.again)
      holdPackages(second?.packages ?? [], second?.gaps ?? [])
    },
  },
  {
    name: 'crates',
    seeds: { inputs: texts(crates), words: ['"crates.io"', '"kind"', '"build"'] },
    dress: (input) => deflateSync(input, { level: 1 }),
    run(input) {
      const program = Buffer.concat([Buffer.from('\x7fELF'), Buffer.alloc(4_092), input, Buffer.alloc(512)])
      const result = probe(program, { start: 4_096, end: 4_096 + input.length, named: true })
      holdPackages(result?.packages ?? [], result?.gaps ?? [])
    },
  },
  {
    name: 'owned',
    seeds: { inputs: texts('/.\n/usr\n/usr/bin/x\n', 'd41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n') },
    run(input) {
      const owned = new OwnedPaths(1_000)
      owned.addList(input)
      owned.has('usr/bin/x')
    },
  },
]

export const packages: readonly Target[] = [...databases, ...programs]
