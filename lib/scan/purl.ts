/** Package URLs (purl-spec, types deb, apk, npm) of what a scan finds. */
import type { FoundPackage } from './model.ts'

/** Percent-encodes as the purl specification asks: all but unreserved characters and the colon. */
const encode = (text: string) =>
  encodeURIComponent(text)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%3A', ':')

/**
 * The package URL of a package in an image. The namespace of OS packages is the distribution's id, `debian` or
 * `alpine` when the image does not tell; the distribution and its version are the qualifier `distro`.
 *
 * @example packageUrl(found, { id: 'debian', version: '12' }) // pkg:deb/debian/glibc@2.36-9?arch=amd64&distro=debian-12
 */
export function packageUrl(found: FoundPackage, os?: { id: string; version: string }): string {
  if (found.kind === 'npm') {
    const slash = found.name.startsWith('@') ? found.name.indexOf('/') : -1
    const namespace = slash > 0 ? `${encode(found.name.slice(0, slash))}/` : ''
    return `pkg:npm/${namespace}${encode(found.name.slice(slash + 1))}@${encode(found.version)}`
  }
  const [type, fallback] = found.kind === 'dpkg' ? ['deb', 'debian'] : ['apk', 'alpine']
  const qualifiers: string[] = []
  if (found.architecture) qualifiers.push(`arch=${encode(found.architecture)}`)
  if (os) qualifiers.push(`distro=${encode(os.version ? `${os.id}-${os.version}` : os.id)}`)
  const name = `pkg:${type}/${encode((os?.id ?? fallback).toLowerCase())}/${encode(found.name)}@${encode(found.version)}`
  return qualifiers.length ? `${name}?${qualifiers.join('&')}` : name
}
