import { describe, expect, test } from 'vitest'
import type { Analyzer } from '../../../lib/scan/packages/analyzer.ts'
import { composer } from '../../../lib/scan/packages/composer.ts'
import { gem } from '../../../lib/scan/packages/gem.ts'
import { ANALYZERS } from '../../../lib/scan/packages/index.ts'
import { npm } from '../../../lib/scan/packages/npm.ts'
import { nuget } from '../../../lib/scan/packages/nuget.ts'
import { python } from '../../../lib/scan/packages/python.ts'
import { readFile } from './reading.ts'
import { zipOf } from './zips.ts'

const SITE = 'usr/local/lib/python3.11/site-packages'
const names = (analyzer: Analyzer, path: string, content: Buffer | string) =>
  readFile(analyzer, path, content).packages.map(({ name, version }) => `${name} ${version}`)

describe('Python', () => {
  test.each([
    [`${SITE}/requests-2.28.1.dist-info/METADATA`, true],
    [`${SITE}/six-1.16.0.egg-info`, true],
    [`${SITE}/six-1.16.0.egg-info/PKG-INFO`, true],
    [`${SITE}/six-1.16.0-py3.11.egg/EGG-INFO/PKG-INFO`, true],
    [`${SITE}/six-1.16.0-py3.11.egg`, true],
    [`${SITE}/requests-2.28.1.dist-info/RECORD`, false],
    [`${SITE}/six-1.16.0.egg-info/SOURCES.txt`, false],
    ['srv/PKG-INFO', false],
  ])('%s: metadata is %s', (path, wanted) => {
    expect(python.wants(path)).toBe(wanted)
  })

  test('reads the fields before the description only', () => {
    const text = 'Metadata-Version: 2.1\r\nName: Foo.Bar\r\nversion: 1.0.post1 \r\n\r\nName: other\r\nVersion: 9\r\n'
    expect(names(python, `${SITE}/Foo.Bar-1.0.dist-info/METADATA`, text)).toEqual(['Foo.Bar 1.0.post1'])
  })

  test('reads an egg that is a zip, and says of one without metadata that it is unreadable', () => {
    const path = `${SITE}/six-1.16.0-py3.11.egg`
    expect(
      names(python, path, zipOf([{ name: 'EGG-INFO/PKG-INFO', content: 'Name: six\nVersion: 1.16.0\n' }])),
    ).toEqual(['six 1.16.0'])
    expect(readFile(python, path, zipOf([])).unreadable).toBe('is an egg without metadata')
    expect(readFile(python, path, 'x').unreadable).toBe('is not a zip archive, or was cut')
  })
})

describe('Ruby', () => {
  const path = 'usr/local/bundle/specifications/rack-2.2.22.gemspec'
  test.each([
    [path, true],
    ['usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec', true],
    ['app/my.gemspec', false],
    ['usr/lib/ruby/gems/3.1.0/gems/rack/rack.gemspec', false],
  ])('%s: a specification is %s', (file, wanted) => {
    expect(gem.wants(file)).toBe(wanted)
  })

  test.each([
    [
      '# -*- encoding: utf-8 -*-\n# stub: nokogiri 1.13.10 x86_64-linux lib\n\nGem::Specification.new do |s|\n',
      'nokogiri 1.13.10',
    ],
    ['Gem::Specification.new do |s|\n  s.name = "rack".freeze\n  s.version = "2.2.22"\n', 'rack 2.2.22'],
    ["  s.name = %q{x}\n  s.name = 'rake'\n  s.version = Gem::Version.new('13.0.6')\n", 'rake 13.0.6'],
  ])('reads %j', (text, expected) => {
    expect(names(gem, path, text)).toEqual([expected])
  })

  test('says of a specification that computes its version that it is unreadable', () => {
    expect(readFile(gem, path, 's.name = "x"\ns.version = X::VERSION\n').unreadable).toContain('no name or version')
  })
})

describe('Composer', () => {
  const path = 'var/www/vendor/composer/installed.json'
  test('reads the list of version 1 and the object of version 2, and counts what has no version', () => {
    const list = [{ name: 'symfony/http-kernel', version: 'v4.4.0' }, { name: 'x' }, null, 3]
    for (const installed of [list, { packages: list, dev: true }]) {
      const { packages, gaps } = readFile(composer, path, JSON.stringify(installed))
      expect(packages.map(({ name, version }) => `${name} ${version}`)).toEqual(['symfony/http-kernel v4.4.0'])
      expect(gaps).toEqual(['has 3 entries without a name or version'])
    }
    expect(readFile(composer, path, '{"__proto__":{"packages":[]}}').unreadable).toBe('holds no list of packages')
  })
})

describe('.NET', () => {
  test('reads packages and the runtime it carries, not the projects of the application', () => {
    const libraries = {
      'App/1.0.0': { type: 'project' },
      'Newtonsoft.Json/12.0.3': { type: 'package' },
      'runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1': { type: 'runtimepack' },
      broken: { type: 'package' },
      'odd/1': 7,
    }
    const { packages, gaps } = readFile(nuget, 'app/App.deps.json', JSON.stringify({ libraries }))
    expect(packages.map(({ name, version }) => `${name} ${version}`)).toEqual([
      'Newtonsoft.Json 12.0.3',
      'Microsoft.NETCore.App.Runtime.linux-x64 6.0.1',
    ])
    expect(gaps).toEqual(['has 1 libraries without a name or version'])
    expect(readFile(nuget, 'app/App.deps.json', '{}').unreadable).toBe('holds no libraries')
  })
})

const SAMPLES: [Analyzer, string, string][] = [
  [python, `${SITE}/a-1.dist-info/METADATA`, 'Metadata-Version: 2.1\nName: a\nVersion: 1\n\ntext'],
  [
    gem,
    'a/specifications/a-1.gemspec',
    '# stub: a 1 ruby lib\nGem::Specification.new do |s|\n  s.name = "a"\n  s.version = "1"\n',
  ],
  [
    composer,
    'vendor/composer/installed.json',
    '{"packages":[{"name":"a/b","version":"1.0"},{"name":"c/d","version":"v2"}]}',
  ],
  [nuget, 'a.deps.json', '{"libraries":{"A/1.0.0":{"type":"package"},"B/2":{"type":"project"}}}'],
  [npm, 'node_modules/a/package.json', '{"name":"a","version":"1.0.0"}'],
]

describe.each(SAMPLES)('bad input: %o', (analyzer, path, sample) => {
  test('is one that an analyzer reads', () => {
    expect(readFile(analyzer, path, sample).packages.length).toBeGreaterThan(0)
    expect(ANALYZERS.filter((one) => one.wants(path))).toEqual([analyzer])
  })

  test('truncated, garbage, empty, NUL and one endless line never look clean', () => {
    for (const bad of [
      '',
      '\0'.repeat(1_000),
      'garbage',
      sample.slice(0, 12),
      ' '.repeat(1_000_000),
      '\n'.repeat(1_000_000),
    ]) {
      const startedAt = performance.now()
      const { packages, unreadable, gaps } = readFile(analyzer, path, bad)
      if (packages.length === 0) expect(unreadable ?? gaps[0]).toBeDefined()
      expect(performance.now() - startedAt).toBeLessThan(1_000)
    }
  })

  test('JSON a hundred thousand levels deep, and __proto__, change nothing', () => {
    const deep = `${'{"packages":['.repeat(50_000)}${']}'.repeat(50_000)}`
    for (const bad of [
      deep,
      '['.repeat(100_000),
      '{"__proto__":{"name":"a","version":"1","packages":[],"libraries":{}}}',
    ])
      expect(readFile(analyzer, path, bad).packages).toEqual([])
    expect(Object.hasOwn(Object.prototype, 'packages')).toBe(false)
  })
})
