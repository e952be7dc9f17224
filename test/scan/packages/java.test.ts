import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../../lib/config.ts'
import { java } from '../../../lib/scan/packages/java.ts'
import { readFile } from './reading.ts'
import { type Part, zipOf } from './zips.ts'

const properties = (group: string, artifact: string, version: string): Part => ({
  name: `META-INF/maven/${group}/${artifact}/pom.properties`,
  content: `#Created by Apache Maven\r\nversion=${version}\r\ngroupId = ${group}\r\nartifactId:${artifact}\r\n`,
})
const manifest = (text: string): Part => ({
  name: 'META-INF/MANIFEST.MF',
  content: `Manifest-Version: 1.0\r\n${text}\r\n\r\n`,
})
const log4j = zipOf([properties('org.apache.logging.log4j', 'log4j-core', '2.14.1')])

const names = (content: Buffer, path = 'opt/app.jar', limits = defaultLimits) => {
  const { packages, gaps, unreadable } = readFile(java, path, content, limits)
  return {
    names: packages.map((one) => `${one.name} ${one.version}${one.member ? ` in ${one.member}` : ''}`),
    gaps,
    unreadable,
  }
}

describe('Java archives', () => {
  test.each([
    ['app.jar', true],
    ['opt/app.war', true],
    ['a/b.ear', true],
    ['a/jar', false],
    ['a.jar.txt', false],
  ])('%s: an archive is %s', (path, wanted) => {
    expect(java.wants(path)).toBe(wanted)
  })

  test('name every pom.properties, as a shaded archive has many', () => {
    const shaded = zipOf([
      properties('g', 'a', '1'),
      properties('h', 'b', '2'),
      manifest('Implementation-Title: other'),
    ])
    expect(names(shaded)).toEqual({ names: ['g:a 1', 'h:b 2'], gaps: [], unreadable: undefined })
  })

  test('are read inside others, stored or packed, and behind a script', () => {
    const war = zipOf([{ name: 'WEB-INF/lib/log4j-core.jar', content: log4j }, properties('g', 'web', '1')])
    const ear = zipOf([{ name: 'web.war', content: war, stored: true }], Buffer.from('#!/bin/sh\nexec java -jar $0\n'))
    expect(names(ear, 'opt/app.ear').names).toEqual([
      'org.apache.logging.log4j:log4j-core 2.14.1 in web.war!/WEB-INF/lib/log4j-core.jar',
      'g:web 1 in web.war',
    ])
  })

  test.each([
    [
      'Bundle-SymbolicName: org.slf4j.api;singleton:=true\r\nBundle-Version: 1.7.32',
      'slf4j-api-1.7.32.jar',
      'org.slf4j:slf4j-api 1.7.32',
    ],
    [
      'Implementation-Vendor-Id: com.exam\r\n ple\r\nImplementation-Version: 3',
      'thing-2.0.jar',
      'com.example:thing 2.0',
    ],
    ['Implementation-Vendor-Id: g\r\nImplementation-Title: t\r\nImplementation-Version: 3.1', 'x.jar', 'g:t 3.1'],
  ])('without pom.properties go by %j and the name %s', (text, file, expected) => {
    expect(names(zipOf([manifest(text)]), `usr/share/${file}`)).toEqual({
      names: [expected],
      gaps: [],
      unreadable: undefined,
    })
  })

  test('without a group are named but told, for nothing can be matched', () => {
    const inner = zipOf([manifest('Implementation-Title: My Title')])
    expect(names(zipOf([]), 'opt/thing-1.2.3.jar')).toMatchObject({
      names: ['thing 1.2.3'],
      gaps: ['tells no Maven coordinates and cannot be judged'],
    })
    expect(
      names(
        zipOf([
          { name: 'lib/a.jar', content: inner },
          { name: 'lib/b.jar', content: inner },
        ]),
      ).gaps,
    ).toEqual(['holds "lib/a.jar", which tells no Maven coordinates and cannot be judged (and 1 more inside it)'])
  })

  const log4jManifest = manifest('Implementation-Vendor-Id: org.apache.logging.log4j\r\nImplementation-Version: 2.14.1')
  test('that hold others go by their own manifest and name too', () => {
    const outer = zipOf([log4jManifest, { name: 'META-INF/lib/other.jar', content: log4j }])
    expect(names(outer, 'opt/log4j-core-2.14.1.jar')).toEqual({
      names: [
        'org.apache.logging.log4j:log4j-core 2.14.1 in META-INF/lib/other.jar',
        'org.apache.logging.log4j:log4j-core 2.14.1',
      ],
      gaps: [],
      unreadable: undefined,
    })
    const within = zipOf([{ name: 'lib/log4j-core-2.14.1.jar', content: outer }])
    expect(names(within).names).toContain('org.apache.logging.log4j:log4j-core 2.14.1 in lib/log4j-core-2.14.1.jar')
  })

  test.each<[what: string, file: string, members: Part[], told: boolean]>([
    ['a library without a group', 'log4j-core-2.14.1.jar', [], true],
    ['classes of nobody knows what', 'x.jar', [{ name: 'a/B.class', content: 'x' }], true],
    ['nothing of its own', 'x.jar', [], false],
    ['an application of Spring Boot', 'shop-1.0.jar', [{ name: 'BOOT-INF/classes/a/B.class', content: 'x' }], false],
    ['a web application', 'shop-1.0.war', [{ name: 'WEB-INF/classes/a/B.class', content: 'x' }], false],
  ])('that hold others and are %s: %s is told or not', (_, file, members, told) => {
    const outer = zipOf([{ name: 'lib/other.jar', content: log4j }, ...members])
    expect(names(outer, `opt/${file}`).gaps).toEqual(told ? ['tells no Maven coordinates and cannot be judged'] : [])
  })

  test('deeper than the limit are told', () => {
    let nested = log4j
    for (let i = 0; i <= defaultLimits.archiveDepthMax; i++) nested = zipOf([{ name: `${i}.jar`, content: nested }])
    const { names: found, gaps } = names(nested)
    expect(found).toEqual([])
    expect(gaps.join()).toContain('0.jar", which cannot be read')
  })

  test('that inflate without end are bounded', () => {
    const limits = { ...defaultLimits, archiveInflatedBytesMax: 3_000_000, manifestFileBytesMax: 2_000_000 }
    const zeros = Buffer.alloc(1_900_000)
    const bomb = zipOf(
      ['a', 'b', 'c'].map((name) => ({ name: `META-INF/maven/g/${name}/pom.properties`, content: zeros })),
    )
    expect(names(bomb, 'a.jar', limits).gaps.join()).toContain('which cannot be read (and 2 more inside it)')
    // The directory lies about the size.
    const liar = zipOf([{ name: 'META-INF/MANIFEST.MF', content: zeros, size: 10 }])
    expect(names(liar, 'a.jar').gaps.join()).toContain('cannot be read')
    const quine = zipOf(Array.from({ length: 30 }, (_, i) => ({ name: `${i}.jar`, content: Buffer.alloc(500_000) })))
    expect(names(quine, 'a.jar', { ...limits, archiveMembersMax: 1_000 }).gaps.join()).toContain('cannot be read')
  })

  test('whose members all lead to the same archive end at the limits', () => {
    // Each directory names its one archive a thousand times, five deep: 10^15 archives to a reader without a budget.
    let nested = log4j
    for (let level = 0; level < 5; level++) {
      const one = zipOf([{ name: 'a.jar', content: nested, stored: true }])
      const end = one.length - 22
      const at = one.readUInt32LE(end + 16)
      const table = Buffer.concat(Array(1_000).fill(one.subarray(at, end)))
      const tail = Buffer.from(one.subarray(end))
      tail.writeUInt16LE(1_000, 10)
      tail.writeUInt32LE(table.length, 12)
      nested = Buffer.concat([one.subarray(0, at), table, tail])
    }
    const startedAt = performance.now()
    expect(names(nested).gaps.join()).toContain('cannot be read')
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  test('with more members than the limit are not read', () => {
    expect(names(log4j, 'a.jar', { ...defaultLimits, archiveMembersMax: 100 }).unreadable).toContain(
      'archiveMembersMax',
    )
  })

  test.each([
    ['empty', Buffer.alloc(0)],
    ['text', Buffer.from('<html>not found</html>')],
    ['cut', log4j.subarray(0, -30)],
    ['without its start', log4j.subarray(40)],
    ['of zeros', Buffer.alloc(5_000)],
  ])('that are %s are unreadable or told', (_, content) => {
    const { names: found, gaps, unreadable } = names(content)
    expect(found).toEqual([])
    expect(unreadable ?? gaps[0]).toBeDefined()
  })

  test('with a file name or fields made to slow a pattern down are read at once', () => {
    const startedAt = performance.now()
    names(zipOf([manifest(`Implementation-Title: ${'a-1.'.repeat(50_000)}`)]), `opt/${'-1'.repeat(2_000)}.jar`)
    names(
      zipOf([
        {
          name: 'META-INF/maven/g/a/pom.properties',
          content: `groupId=${' '.repeat(500_000)}\n${'\n'.repeat(400_000)}`,
        },
      ]),
    )
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })
})
