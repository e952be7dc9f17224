/** Images in files, as `skopeo copy oci:`, `docker save` before 25 and since write them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type BuiltImage, type BuiltIndex, type TarEntry, tarOf } from '../../../lib/local/demo/build.ts'

export interface Folder extends Disposable {
  path: string
  write(name: string, content: Uint8Array | string): string
}

/** A fresh folder, removed at the end of the block that holds it by `using`. */
export function folder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'longshore-saved-'))
  return {
    path,
    write(name, content) {
      const file = join(path, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, content)
      return file
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}

const hex = (digest: string) => digest.replace('sha256:', '')

export const blobPath = (digest: string) => `blobs/sha256/${hex(digest)}`

/** The `manifest.json` that Docker 25 and later write beside the `index.json` of a layout. */
export function dockerList(images: [image: BuiltImage, ...names: string[]][]): TarEntry {
  const list = images.map(([{ config, layers }, ...names]) => ({
    Config: blobPath(config.descriptor.digest),
    RepoTags: names.length > 0 ? names : null,
    Layers: layers.map(({ diffId }) => blobPath(diffId)),
  }))
  return { path: 'manifest.json', content: JSON.stringify(list) }
}

/** The layout with other entries in its index. */
export const withIndex = (files: TarEntry[], change: (manifests: unknown[]) => unknown): TarEntry[] =>
  files.map((file) => {
    if (file.path !== 'index.json') return file
    const index = JSON.parse(String(file.content))
    return { ...file, content: JSON.stringify({ ...index, manifests: change(index.manifests) }) }
  })

/** Files of an OCI layout that holds these images by name. */
export function layoutFiles(images: Record<string, BuiltImage | BuiltIndex>): TarEntry[] {
  const files = new Map<string, Uint8Array | string>([['oci-layout', '{"imageLayoutVersion":"1.0.0"}']])
  const add = (one: BuiltImage | BuiltIndex): void => {
    const blobs = one.kind === 'index' ? [one.manifest] : [one.manifest, one.config, ...one.layers]
    for (const { bytes, descriptor } of blobs) files.set(blobPath(descriptor.digest), bytes)
    if (one.kind === 'index') for (const child of one.children) add(child)
  }
  for (const one of Object.values(images)) add(one)
  const manifests = Object.entries(images).map(([name, { manifest }]) => ({
    ...manifest.descriptor,
    platform: undefined,
    annotations: { 'org.opencontainers.image.ref.name': name },
  }))
  files.set('index.json', JSON.stringify({ schemaVersion: 2, manifests }))
  return [...files].map(([path, content]) => ({ path, content }))
}

/** Files of `docker save` before 25: a layer that was there before is a link to it. */
export function dockerFiles(images: Record<string, BuiltImage>): TarEntry[] {
  const files: TarEntry[] = []
  const seen = new Map<string, string>()
  const list = Object.entries(images).map(([name, { config, layers }], n) => {
    const id = hex(config.descriptor.digest)
    files.push({ path: `${id}.json`, content: config.bytes })
    return {
      Config: `${id}.json`,
      RepoTags: [name],
      Layers: layers.map(({ bytes, diffId }, i) => {
        const path = `${n}${i}${hex(diffId).slice(2)}/layer.tar`
        const known = seen.get(diffId)
        if (known) files.push({ path, type: 'symlink', linkname: `../${known}` })
        else files.push({ path, content: gunzipSync(bytes) })
        seen.set(diffId, path)
        return path
      }),
    }
  })
  const repositories = { 'team/app': { latest: 'x' } }
  return [
    ...files,
    { path: 'manifest.json', content: JSON.stringify(list) },
    { path: 'repositories', content: JSON.stringify(repositories) },
  ]
}

export const tarFile = (where: Folder, files: readonly TarEntry[], name = 'image.tar'): string =>
  where.write(name, tarOf(files))
