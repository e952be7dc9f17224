/**
 * The image of the benchmarks, as an OCI layout: Debian with python3 by debootstrap (about 170 MB), 200 packages of npm
 * (about 50 MB), and a layer that takes some of it away. Needs root, debootstrap and the registries of both. Build and
 * run, once:
 *
 *   npx esbuild bench/image.ts --bundle --platform=node --format=esm --outfile=/tmp/longshore-bench/image.mjs
 *   node /tmp/longshore-bench/image.mjs /tmp/longshore-bench/image
 *
 * A real registry gets it by `skopeo copy oci:/tmp/longshore-bench/image:bench docker://127.0.0.1:5601/bench/app:1`.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { image, layer, tarOf } from '../lib/local/demo/build.ts'

/** Old ones among them, so that there is something to find. */
const NPM = ['lodash@4.17.20', 'axios@0.21.0', 'minimist@1.2.5', 'express', 'webpack', 'eslint@8']
const BYTES_MAX = 1_073_741_824

const folder = process.argv[2] ?? '/tmp/longshore-bench/image'
const work = `${folder}.work`
const quiet = { stdio: 'ignore' } as const

const root = join(work, 'rootfs')
if (!existsSync(join(root, 'etc/os-release'))) {
  execFileSync('debootstrap', ['--variant=minbase', '--include=python3', 'bookworm', root], quiet)
  rmSync(join(root, 'var/cache/apt/archives'), { recursive: true, force: true })
}
const app = join(work, 'app')
if (!existsSync(join(app, 'node_modules'))) {
  mkdirSync(app, { recursive: true })
  writeFileSync(join(app, 'package.json'), '{"name":"bench","version":"1.0.0","private":true}')
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...NPM], { ...quiet, cwd: app })
}

/** Times and owners are none, so that the same files are the same layer. */
const tar = (where: string, prefix: string) =>
  execFileSync(
    'tar',
    [
      '--sort=name',
      '--mtime=@0',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      `--transform=s,^\\.,${prefix},`,
      '-cf',
      '-',
      '.',
    ],
    { cwd: where, maxBuffer: BYTES_MAX },
  )
const packed = (bytes: Uint8Array) => layer(bytes, { gzip: (plain) => gzipSync(plain, { level: 6 }) })

const built = image({
  layers: [
    packed(tar(root, '.')),
    packed(tar(app, './app')),
    packed(tarOf([{ path: 'usr/share/.wh.doc' }, { path: 'app/node_modules/.wh.lodash' }])),
  ],
})
rmSync(folder, { recursive: true, force: true })
const write = (name: string, content: Uint8Array | string) => {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, name), content)
}
for (const { bytes, descriptor } of [built.manifest, built.config, ...built.layers])
  write(`blobs/${descriptor.digest.replace(':', '/')}`, bytes)
write('oci-layout', '{"imageLayoutVersion":"1.0.0"}')
write(
  'index.json',
  JSON.stringify({
    schemaVersion: 2,
    manifests: [{ ...built.manifest.descriptor, annotations: { 'org.opencontainers.image.ref.name': 'bench' } }],
  }),
)
const sizes = built.layers.map(({ descriptor }) => descriptor.size)
console.log(JSON.stringify({ folder, digest: built.manifest.descriptor.digest, packedBytes: sizes }))
