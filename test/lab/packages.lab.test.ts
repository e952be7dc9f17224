/**
 * What this machine's own tools say of its packages against what a scan reads from the same files. Skipped unless
 * LONGSHORE_LAB=1, which needs the tools of all parts: apt-get install rpm golang-go python3-requests ruby-rack liblog4j2-java
 *
 *   LONGSHORE_LAB=1 npx vitest run test/lab/packages.lab.test.ts
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { ExecutableProbe, type ProbeResult } from '../../lib/scan/packages/executable.ts'
import { gem } from '../../lib/scan/packages/gem.ts'
import { java } from '../../lib/scan/packages/java.ts'
import { python } from '../../lib/scan/packages/python.ts'
import { rpm } from '../../lib/scan/packages/rpm.ts'
import { readFile } from '../scan/packages/reading.ts'

/** There a tool that is missing is a failure, not a test left out. */
const LAB = process.env.LONGSHORE_LAB === '1'

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  } catch {
    return []
  }
}

const lines = (text: string) => text.split('\n').filter(Boolean).sort()

test.runIf(LAB)(
  'rpm -qa names what is read from the database that rpm wrote',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'longshore-rpm-'))
    try {
      const names = Array.from({ length: 12 }, (_, i) => `lab-${i}`)
      for (const [i, name] of names.entries()) {
        const spec = [
          `Name: ${name}\nVersion: ${i}.${i * 7}~rc${i}\nRelease: ${i + 1}%{?dist}.el9\nSummary: s\nLicense: MIT\nBuildArch: noarch`,
          i % 3 === 0 ? `Epoch: ${i + 1}` : '',
          // Long headers need overflow pages.
          `%description\n${'d'.repeat(i * 1_000)}\n%files\n`,
        ]
        writeFileSync(join(folder, `${name}.spec`), spec.join('\n'))
        execFileSync('rpmbuild', ['--define', `_topdir ${folder}`, '-bb', join(folder, `${name}.spec`)], {
          stdio: 'ignore',
        })
      }
      const root = ['--dbpath', join(folder, 'db')]
      mkdirSync(join(folder, 'db'))
      const packages = filesBelow(join(folder, 'RPMS')).filter((file) => file.endsWith('.rpm'))
      execFileSync('rpm', [...root, '-i', '--nodeps', '--noscripts', '--justdb', '--force-debian', ...packages], {
        stdio: 'ignore',
      })
      const format = '%{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM}\\n'
      const theirs = lines(execFileSync('rpm', [...root, '-qa', '--qf', format], { encoding: 'utf8' }))
      const read = readFile(rpm, 'var/lib/rpm/rpmdb.sqlite', readFileSync(join(folder, 'db/rpmdb.sqlite')))
      const ours = read.packages.map(({ name, version, architecture, source }) => {
        const { name: from, version: at } = source!
        return `${name} ${version} ${architecture} ${from}-${at.replace(/^\d+:/, '')}.src.rpm`
      })
      expect(theirs).toHaveLength(names.length)
      expect(ours.sort()).toEqual(theirs)
      expect(read.gaps).toEqual([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  120_000,
)

const modulesOf = (program: string): string[] => {
  const content = readFileSync(program)
  let result: ProbeResult | undefined
  const probe = new ExecutableProbe('p', content.length, {
    limits: defaultLimits,
    packagesLeft: defaultLimits.packagesMax,
    done: (done) => {
      result = done
    },
  })
  for (let at = 0; at < content.length; at += 262_144) if (!probe.push(content.subarray(at, at + 262_144))) return []
  probe.end()
  return (result?.packages ?? []).map(({ name, version }) => `${name} ${version}`).sort()
}

test.runIf(LAB)(
  'go version -m names the modules that are read from every program',
  () => {
    const programs = ['/usr/bin', '/usr/local/bin', '/usr/lib/go-1.19']
      .flatMap(filesBelow)
      .filter((file) => statSync(file).size > 65_536 && (statSync(file).mode & 0o111) !== 0)
    const { stdout } = spawnSync('go', ['version', '-m', ...programs], { encoding: 'utf8', maxBuffer: 1e9 })
    const theirs = new Map<string, string[]>()
    let current: string[] = []
    for (const line of stdout.split('\n')) {
      const [, path, version] = /^(\/.*): go(\S+)/.exec(line) ?? []
      const [, what, name, at] = line.split('\t')
      if (path) {
        current = [`stdlib ${/^\d+\.\d+$/.test(version!) ? `${version}.0` : version}`]
        theirs.set(path, current)
      } // A directory instead of a module: what it replaced is the best guess.
      else if (what === '=>' && at && at !== '(devel)') current[current.length - 1] = `${name} ${at}`
      else if ((what === 'dep' || what === 'mod') && at && at !== '(devel)') current.push(`${name} ${at}`)
    }
    expect(theirs.size).toBeGreaterThan(0)
    for (const program of programs)
      expect([program, modulesOf(program)]).toEqual([program, (theirs.get(program) ?? []).sort()])
  },
  120_000,
)

describe('libraries of Debian packages', () => {
  test.runIf(LAB)('importlib.metadata names the distributions that are read', () => {
    const folder = '/usr/lib/python3/dist-packages'
    const script = `import importlib.metadata as m\nfor d in m.distributions(path=["${folder}"]): print(d.metadata["Name"], d.version)`
    const theirs = lines(execFileSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8' }))
    const ours = filesBelow(folder)
      .filter((file) => python.wants(file))
      .flatMap((file) => readFile(python, file, readFileSync(file)).packages)
      .map(({ name, version }) => `${name} ${version}`)
    expect(theirs.length).toBeGreaterThan(0)
    expect(ours.sort()).toEqual(theirs)
  })

  test.runIf(LAB)('Gem::Specification names the gems that are read', () => {
    const script = 'Gem::Specification.each { |s| puts [s.loaded_from, s.name, s.version].join(" ") }'
    const theirs = lines(execFileSync('/usr/bin/ruby', ['-e', script], { encoding: 'utf8' }))
    const ours = theirs
      .map((line) => line.split(' ')[0]!)
      .filter((file) => gem.wants(file))
      .flatMap((file) => readFile(gem, file, readFileSync(file)).packages)
      .map(({ name, version, path }) => `${path} ${name} ${version}`)
    expect(theirs.length).toBeGreaterThan(10)
    expect(ours.sort()).toEqual(theirs)
  })

  test.runIf(LAB)("Python's zipfile finds the pom.properties that are read from every jar", () => {
    const jars = filesBelow('/usr/share/java').filter((file) => java.wants(file))
    const script = `import sys,zipfile,re
for f in sys.argv[1:]:
    for n in zipfile.ZipFile(f).namelist():
        if re.search(r'META-INF/maven/[^/]+/[^/]+/pom.properties$', n):
            t = dict(l.strip().split('=',1) for l in zipfile.ZipFile(f).read(n).decode().splitlines() if '=' in l)
            print(f, t['groupId']+':'+t['artifactId'], t['version'])`
    const theirs = lines(execFileSync('/usr/bin/python3', ['-c', script, ...jars], { encoding: 'utf8' }))
    const told = new Set(theirs.map((line) => line.split(' ')[0]))
    const ours = jars
      .filter((file) => told.has(file))
      .flatMap((file) => readFile(java, file, readFileSync(file)).packages)
      .map(({ name, version, path }) => `${path} ${name} ${version}`)
    expect(theirs.length).toBeGreaterThan(5)
    expect(ours.sort()).toEqual(theirs)
  })
})
