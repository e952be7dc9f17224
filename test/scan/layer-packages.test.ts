/** Packages as a whole layer tells them: who owns what, programs among its files, and what later layers change. */
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { readLayer } from '../../lib/scan/layer.ts'
import { mergeLayers } from '../../lib/scan/merge.ts'
import { body, END, header, inventoryOf, sha256 } from './archives.ts'
import { fixture } from './packages/reading.ts'

type File = [path: string, content: Buffer | string, more?: { mode?: string; type?: string; link?: string }]

/** Files as a layer's archive; programs have the mode 0755. */
const tar = (...files: File[]) =>
  Buffer.concat([
    ...files.flatMap(([path, content, { mode = '0000644', type = '0', link = '' } = {}]) => {
      const bytes = Buffer.from(content as string)
      const block = header(path, bytes.length, type, (raw) => {
        raw.write(`${mode}\0`, 100)
        raw.write(link, 157)
      })
      return [block, body(bytes)]
    }),
    END,
  ])

const program = { mode: '0000755' }
/** Built with a Go that left no list of modules. */
const oldProgram = () => {
  const bytes = fixture('programs/go')
  bytes[bytes.indexOf('\xff Go buildinf:', 'latin1') + 15] = 0
  return bytes
}
const metadata = (name: string) => `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`
const SITE = 'usr/lib/python3/dist-packages'

const seen = async (...files: File[]) => {
  const { packages } = await inventoryOf(tar(...files))
  return packages.map(({ kind, name, path, owned }) => `${kind} ${name} ${path}${owned ? ' owned' : ''}`)
}

describe('language packages owned by an OS package', () => {
  const files: File[] = [
    [`${SITE}/six-1.0.egg-info`, metadata('six')],
    ['usr/local/lib/python3/dist-packages/six-1.0.dist-info/METADATA', metadata('six')],
  ]
  const expected = [
    `python six ${SITE}/six-1.0.egg-info owned`,
    'python six usr/local/lib/python3/dist-packages/six-1.0.dist-info/METADATA',
  ]

  const stanza = (more: string) => `Package: python3-six\n${more}Version: 1.0-1\nArchitecture: all\n`
  const DEBIAN = 'Maintainer: Debian Python Team <team+python@tracker.debian.org>\n'
  const status = (more: string): File => ['var/lib/dpkg/status', stanza(`Status: install ok installed\n${more}`)]
  const list: File = ['var/lib/dpkg/info/python3-six.list', `/.\n/usr\n/${SITE}/six-1.0.egg-info\n`]
  const dpkg = 'dpkg python3-six var/lib/dpkg/status'
  const judged = expected.map((line) => line.replace(' owned', ''))

  test('are known by dpkg, whether its lists come before or after', async () => {
    expect(await seen(list, ...files, status(DEBIAN))).toEqual([...expected, dpkg])
    expect(await seen(status(DEBIAN), ...files, list)).toEqual([...expected, dpkg])
    const arch: File = ['var/lib/dpkg/info/python3-six:all.list', list[1]]
    expect(await seen(arch, ...files, status(DEBIAN))).toEqual([...expected, dpkg])
  })

  test('are judged when the package is of somebody else, or is not installed', async () => {
    const other = status('Maintainer: Six <packages@six.example>\n')
    expect(await seen(list, ...files, other)).toEqual([...judged, dpkg])
    const removed: File = ['var/lib/dpkg/status', stanza(`Status: deinstall ok config-files\n${DEBIAN}`)]
    expect(await seen(list, ...files, removed)).toEqual(judged)
    expect(await seen(list, ...files)).toEqual(judged)
  })

  test.each(['opt/x', 'usr/local/x', 'srv/x', 'app', 'home/me', 'root'])(
    'are judged in /%s, where no distribution puts anything, whatever a list says',
    async (place) => {
      const path = `${place}/node_modules/left/package.json`
      const lines = await seen(
        [path, '{"name":"left","version":"1.0.0"}'],
        ['var/lib/dpkg/info/python3-six.list', `/${path}\n`],
        status(DEBIAN),
      )
      expect(lines).toContain(`npm left ${path}`)
    },
  )

  test('are known by the checksums of distroless images', async () => {
    const sums: File = ['var/lib/dpkg/status.d/python3-six.md5sums', `${'0a'.repeat(16)}  ${SITE}/six-1.0.egg-info\n`]
    const single: File = ['var/lib/dpkg/status.d/python3-six', stanza(DEBIAN)]
    expect(await seen(single, sums, ...files)).toEqual([...expected, `${dpkg}.d/python3-six`])
    expect(await seen(sums, ...files)).toEqual(judged)
  })

  test('and a program by its path before /usr was merged', async () => {
    const old: File = ['var/lib/dpkg/info/python3-six.list', '/bin/demo-tool\n']
    const lines = await seen(
      old,
      ['usr/bin/demo-tool', fixture('programs/go'), program],
      ['usr/bin/other', fixture('programs/go'), program],
      status(DEBIAN),
    )
    expect(lines).toContain('go stdlib usr/bin/demo-tool owned')
    expect(lines).toContain('go stdlib usr/bin/other')
  })

  test('are known by apk', async () => {
    const apk: File = ['lib/apk/db/installed', `P:py3-six\nV:1.0-r0\nF:${SITE}\nR:six-1.0.egg-info\nZ:Q1\n`]
    expect(await seen(apk, ...files)).toEqual(['apk py3-six lib/apk/db/installed', ...expected])
  })

  test('are judged when rpm names no vendor that is a distribution', async () => {
    const path = 'usr/lib/python3.11/site-packages/demo_tool-1.2.3.dist-info/METADATA'
    const lines = await seen(
      ['usr/lib/sysimage/rpm/rpmdb.sqlite', fixture('rpm/rpmdb.sqlite')],
      [path, metadata('demo_tool')],
    )
    expect(lines).toContain(`python demo_tool ${path}`)
  })
})

describe('a file of an apk package that a later layer has anew', () => {
  const path = `${SITE}/six-1.0.egg-info`
  const six = (version: string) =>
    `P:py3-six\nV:${version}\nA:x86_64\nF:${SITE}\nR:six-1.0.egg-info\nF:usr/bin\nR:tool\n\n`
  const installed = (...records: string[]): File => ['lib/apk/db/installed', records.join('')]
  const curl = 'P:curl\nV:8.0-r0\nA:x86_64\n\n'
  const base = [installed(six('1.0-r0')), [path, metadata('six')]] satisfies File[]

  const merged = async (...layers: File[][]) => {
    const inventories = await Promise.all(layers.map((files) => inventoryOf(tar(...files))))
    const { packages, gaps } = mergeLayers(inventories, defaultLimits)
    return { owned: packages.filter(({ kind }) => kind === 'python').map(({ owned }) => owned === true), gaps }
  }

  test('is judged when the package stood below already: apk tells anew of all packages whenever it adds one', async () => {
    expect(await merged(base, [installed(six('1.0-r0'), curl), [path, metadata('other')]])).toMatchObject({
      owned: [false],
    })
    const older = metadata('six').replace('Version: 1.0', 'Version: 0.9')
    expect(await merged(base, [installed(six('1.0-r0'), curl), [path, older]])).toMatchObject({ owned: [false] })
    // Whatever becomes of the database below.
    const anew: File[] = [['lib/apk/db/.wh..wh..opq', ''], installed(six('1.0-r0')), [path, metadata('other')]]
    expect(await merged(base, anew)).toMatchObject({ owned: [false] })
  })

  test('is left to the distribution when the package came with it, or in another version', async () => {
    expect(await merged(base)).toMatchObject({ owned: [true] })
    expect(await merged(base, [installed(six('1.0-r0'), curl)])).toMatchObject({ owned: [true] })
    expect(await merged(base, [installed(six('1.0-r1')), [path, metadata('six')]])).toMatchObject({ owned: [true] })
    expect(await merged([installed(curl)], base)).toMatchObject({ owned: [true] })
    // The same layer twice brings the same package.
    expect(await merged(base, base)).toMatchObject({ owned: [true] })
  })

  test('tells what could not be seen of it', async () => {
    const tool: File = ['usr/bin/tool', oldProgram(), program]
    expect((await merged([...base, tool])).gaps).toEqual([])
    expect((await merged(base, [installed(six('1.0-r0'), curl), tool])).gaps).toEqual([
      '"usr/bin/tool" was built with a Go older than 1.18, whose list of modules is not read',
    ])
  })

  test('is left to the distribution when it was only copied up, with what could not be seen of it', async () => {
    const tool: File = ['usr/bin/tool', oldProgram(), program]
    const below = [...base, tool]
    const writable: File = [path, metadata('six'), { mode: '0000664' }]
    const up = [installed(six('1.0-r0'), curl), writable, tool]
    expect(await merged(below, up)).toEqual({ owned: [true], gaps: [] })
    expect(await merged(below, up, [installed(six('1.0-r0')), writable, tool])).toEqual({ owned: [true], gaps: [] })
    // As a differ writes a folder that was made anew, and through a link that leads there.
    expect(await merged(below, [[`${SITE}/.wh..wh..opq`, ''], ...up])).toEqual({ owned: [true], gaps: [] })
    const link: File = ['lib', '', { type: '2', link: 'usr/lib' }]
    const throughLink: File[] = [installed(six('1.0-r0'), curl), [path.slice(4), metadata('six')]]
    expect(await merged([link, ...below], throughLink)).toEqual({ owned: [true], gaps: [] })
  })

  test('stays judged when it is copied up after it was overwritten', async () => {
    const up: [File, File] = [installed(six('1.0-r0'), curl), [path, metadata('other')]]
    expect(await merged(base, up, [installed(six('1.0-r0')), up[1]])).toMatchObject({ owned: [false] })
    expect(await merged(base, [up[1]], up)).toMatchObject({ owned: [false] })
    const tool: File = ['usr/bin/tool', oldProgram(), program]
    const told = ['"usr/bin/tool" was built with a Go older than 1.18, whose list of modules is not read']
    expect((await merged(base, [tool], [up[0], tool])).gaps).toEqual(told)
    expect((await merged(base, [up[0], tool], [installed(six('1.0-r0')), tool])).gaps).toEqual(told)
    const other: File = ['usr/bin/tool', fixture('programs/go'), program]
    expect((await merged([...base, other], [up[0], tool])).gaps).toEqual(told)
  })

  test('behind more unreadable files than are told is told too, unless the same stood below', async () => {
    const names = Array.from({ length: defaultLimits.gapsMax + 10 }, (_, i) => `a${100 + i}.jar`)
    const java = `P:java\nV:1\nF:usr/share/java\n${names.map((name) => `R:${name}\n`).join('')}\n`
    const jars = names.map((name): File => [`usr/share/java/${name}`, 'x'])
    const [db, more] = [installed(java), installed(java, curl)]
    expect((await merged([db, ...jars], [more, ...jars])).gaps).toEqual([])
    expect((await merged([db, ...jars], [more, jars.at(-1)!])).gaps).toEqual([])
    // Nothing could be seen of the last one below, but of all the others.
    expect((await merged([db, ...jars.slice(0, -1)], [more, ...jars])).gaps).toEqual([
      `"${jars.at(-1)![0]}" was not read in full; its layer has too many such files to say why`,
    ])
  })

  test('names its owner in the inventory only where something was found', async () => {
    const many = `P:many\nV:1\nF:usr/bin\n${Array.from({ length: 500 }, (_, i) => `R:p${i}\n`).join('')}\n`
    const { owners } = await inventoryOf(tar(installed(six('1.0-r0'), many), [path, metadata('six')]))
    expect(owners).toEqual({ [path]: { name: 'py3-six', version: '1.0-r0', architecture: 'x86_64' } })
  })
})

test('what could not be seen of a file is told whatever the file is called', async () => {
  const layer = await inventoryOf(tar(['__proto__', oldProgram(), program]))
  expect(mergeLayers([JSON.parse(JSON.stringify(layer))], defaultLimits).gaps).toEqual([
    '"__proto__" was built with a Go older than 1.18, whose list of modules is not read',
  ])
})

describe('programs in a layer', () => {
  test('are found by their content wherever they are, when they may be executed', async () => {
    const lines = await seen(
      ['opt/very/deep/down/tool', fixture('programs/go'), program],
      ['opt/very/deep/down/data', fixture('programs/go')],
      ['usr/bin/script', '#!/bin/sh\n'.repeat(20_000), program],
      ['usr/bin/second', '', { type: '1', link: 'opt/very/deep/down/tool' }],
      ['app/node_modules/a/package.json', '{"name":"a","version":"1.0.0"}'],
    )
    expect(lines).toEqual([
      'npm a app/node_modules/a/package.json',
      ...['stdlib', 'example.com/dep', 'example.com/new'].map((name) => `go ${name} opt/very/deep/down/tool`),
      ...['stdlib', 'example.com/dep', 'example.com/new'].map((name) => `go ${name} usr/bin/second`),
    ])
  })

  test('built by cargo-auditable cost a second reading, and only they', async () => {
    const read = async (...files: File[]) => {
      const archive = tar(...files)
      let opened = 0
      const inventory = await readLayer(
        {
          digest: 'sha256:blob',
          diffId: sha256(archive),
          open: async () => {
            opened++
            return Readable.from([gzipSync(archive, { level: 1 })], { objectMode: false })
          },
        },
        defaultLimits,
      )
      return { opened, names: inventory.packages.map(({ kind, name, version }) => `${kind} ${name} ${version}`) }
    }
    const go: File = ['usr/bin/go-tool', fixture('programs/go-cgo'), program]
    expect(await read(go)).toMatchObject({ opened: 1 })
    const { opened, names } = await read(['usr/bin/rusty', fixture('programs/rust'), program], go)
    expect(opened).toBe(2)
    expect(names).toEqual([
      'go stdlib 1.19.8',
      'go example.com/dep v1.2.3',
      'go example.com/new v1.4.0',
      'cargo time 0.1.43',
    ])
  })

  test('are replaced and removed by later layers, and with them what could not be read of them', async () => {
    const old = oldProgram()
    const base = await inventoryOf(tar(['usr/bin/a', old, program], ['usr/bin/b', fixture('programs/go'), program]))
    expect(mergeLayers([base], defaultLimits).gaps).toEqual([
      '"usr/bin/a" was built with a Go older than 1.18, whose list of modules is not read',
    ])
    const top = await inventoryOf(tar(['usr/bin/a', fixture('programs/go'), program], ['usr/bin/.wh.b', '']))
    const { packages, gaps } = mergeLayers([base, top], defaultLimits)
    expect(gaps).toEqual([])
    expect(packages.map(({ path, layer }) => `${path} ${layer === top.diffId}`)).toEqual(
      Array(3).fill('usr/bin/a true'),
    )
  })
})

test('a file that is a symbolic link is read where it is, and told when nothing looks there', async () => {
  const link = (path: string, to: string): File => [path, '', { type: '2', link: to }]
  const layer = await inventoryOf(
    tar(
      link('usr/share/java/a.jar', 'a-1.jar'),
      link('usr/share/java/b.jar', '/opt/data/blob'),
      link(`${SITE}/x-1.dist-info/METADATA`, '/elsewhere'),
    ),
  )
  expect(mergeLayers([layer], defaultLimits).gaps.sort()).toEqual([
    `"${SITE}/x-1.dist-info/METADATA" is a symbolic link to "elsewhere", where it is not read`,
    '"usr/share/java/b.jar" is a symbolic link to "opt/data/blob", where it is not read',
  ])
})

describe('a folder of packages that is a symbolic link', () => {
  const link = (path: string, to: string): File => [path, '', { type: '2', link: to }]
  const npm = (path: string): File => [`${path}/package.json`, '{"name":"left","version":"1.0.0"}']
  const gapsOf = async (...layers: File[][]) =>
    mergeLayers(await Promise.all(layers.map((files) => inventoryOf(tar(...files)))), defaultLimits).gaps

  test.each([
    ['app/node_modules', '/opt/nm', 'opt/nm'],
    ['srv/very/deep/app/node_modules', '../modules', 'srv/very/deep/modules'],
    ['app/node_modules/@scope', '/opt/scope', 'opt/scope'],
    ['app/node_modules/a/node_modules', '/opt/nm', 'opt/nm'],
    ['usr/lib/ruby/gems/3.0.0/specifications', '/opt/specs', 'opt/specs'],
    ['srv/very/deep/app/vendor/composer', '/opt/composer-2', 'opt/composer-2'],
  ])('%s -> %s is told: what stands there is not looked for', async (path, to, real) => {
    const told = [`"${path}" is a symbolic link to "${real}", where packages are not looked for`]
    expect(await gapsOf([npm('opt/nm/left'), link(path, to)])).toEqual(told)
    expect(await gapsOf([link(path, to)], [npm('opt/nm/left')])).toEqual(told)
    const parent = path.slice(0, path.lastIndexOf('/') + 1)
    expect(await gapsOf([link(path, to)], [[`${parent}.wh.${path.slice(parent.length)}`, '']])).toEqual([])
  })

  test.each([
    ['app/node_modules', '../lib/node_modules'],
    ['app/node_modules', '/cache/node_modules'],
    ['app/node_modules/a/test/fixtures/node_modules', '/opt/nm'],
    // How pnpm, workspaces and npm link put one package in its place.
    ['app/node_modules/left', '.pnpm/left@1.0.0/node_modules/left'],
    ['app/node_modules/left', '../packages/left'],
    ['usr/lib/ruby/3.0.0/specifications', '/opt/gems/specifications'],
    ['usr/lib/x86_64-linux-gnu/vendor', 'other'],
    ['usr/bin/composer', '/opt/composer.phar'],
  ])('%s -> %s needs no word', async (path, to) => {
    expect(await gapsOf([link(path, to)])).toEqual([])
  })

  test('of another name that leads to one that is known is read there', async () => {
    const layer = await inventoryOf(
      tar(link('app/node_modules', '/cache/node_modules'), npm('cache/node_modules/left')),
    )
    const { packages, gaps } = mergeLayers([layer], defaultLimits)
    expect([packages.map(({ path }) => path), gaps]).toEqual([['cache/node_modules/left/package.json'], []])
  })
})

test('what Composer installed is found whatever the folder is called', async () => {
  const installed = '{"packages":[{"name":"a/b","version":"1.0.0"}]}'
  expect(
    await seen(
      ['srv/3rdparty/composer/installed.json', installed],
      ['srv/vendor/composer/installed.json', installed],
      ['srv/notcomposer/installed.json', installed],
    ),
  ).toEqual(['composer a/b srv/3rdparty/composer/installed.json', 'composer a/b srv/vendor/composer/installed.json'])
})
