/** The lab of real registries (registries.sh): where it is, what was asked of it, and what skopeo sees in it. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const { LONGSHORE_LAB, SRC = '', DST = '', LAB = '/tmp/lab' } = process.env

export const SOURCE = SRC
export const TARGET = DST
/** Why lab tests do not run here; empty when they do. */
export const skipped =
  LONGSHORE_LAB && SRC && DST ? '' : ' (skipped: LONGSHORE_LAB and the addresses of the lab are not set)'

type Side = 'src' | 'dst'

/** The requests a registry has answered, from its access log: `HEAD manifests 200`, `POST uploads 202`. */
export function requestsSince(side: Side, offset: number): { requests: string[]; lines: string[] } {
  const log = readFileSync(join(LAB, 'log', `${side}.log`))
    .subarray(offset)
    .toString('utf8')
  const lines = [...log.matchAll(/"((?:GET|HEAD|POST|PUT|PATCH|DELETE) [^"]*)" (\d{3})/g)].map(
    ([, call, status]) => `${call} ${status}`,
  )
  const requests = lines.map((line) => {
    const [method, path = '', , status] = line.split(' ')
    const kind = /\/blobs\/(uploads)\/|\/(blobs|manifests|tags)\//.exec(path)
    return `${method} ${kind?.[1] ?? kind?.[2] ?? path} ${status}`
  })
  return { requests, lines }
}

/** Where a registry's access log ends now. */
export const logEnd = (side: Side): number => readFileSync(join(LAB, 'log', `${side}.log`)).length

/** The SHA-256 of the manifest as skopeo gets it, which is its digest when not a byte was changed. */
export function digestBySkopeo(image: string): string {
  const raw = execFileSync('skopeo', ['inspect', '--raw', '--tls-verify=false', '--no-creds', `docker://${image}`])
  return `sha256:${createHash('sha256').update(raw).digest('hex')}`
}

/** Pulls every platform of the image into a folder; skopeo checks each digest and throws when one is wrong. */
export function pullWithSkopeo(image: string, folder: string): void {
  const options = ['--all', '--quiet', '--src-tls-verify=false', '--src-no-creds']
  execFileSync('skopeo', ['copy', ...options, `docker://${image}`, `dir:${folder}`])
}

/** docker-registry hides an OCI manifest from who does not name its type. */
const ACCEPT = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json'

interface Manifest {
  config: { digest: string; size: number }
  layers: { digest: string; size: number }[]
}

/** Sizes of all different blobs below a manifest or an index. */
export async function blobsOf(host: string, repository: string, reference: string): Promise<Map<string, number>> {
  const accept = ['oci.image.index.v1', 'oci.image.manifest.v1']
    .map((type) => `application/vnd.${type}+json`)
    .join(', ')
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, { headers: { accept } })
  const manifest = (await answer.json()) as Manifest & { manifests?: { digest: string }[] }
  if (manifest.manifests) {
    const children = await Promise.all(manifest.manifests.map((child) => blobsOf(host, repository, child.digest)))
    return new Map(children.flatMap((blobs) => [...blobs]))
  }
  return new Map([manifest.config, ...manifest.layers].map(({ digest, size }) => [digest, size]))
}

/** One file out of the last layer that has it. */
export async function fileOf(host: string, repository: string, reference: string, path: string): Promise<string> {
  for (const digest of [...(await blobsOf(host, repository, reference)).keys()].slice(1).reverse()) {
    const layer = await (await fetch(`http://${host}/v2/${repository}/blobs/${digest}`)).arrayBuffer()
    try {
      return execFileSync('tar', ['-xzO', path], {
        input: Buffer.from(layer),
        encoding: 'utf8',
        maxBuffer: 64_000_000,
        stdio: ['pipe', 'pipe', 'ignore'],
      })
    } catch {
      // Not in this one.
    }
  }
  throw new Error(`no layer of ${repository}:${reference} has ${path}`)
}

/** The digest a tag names, or undefined. */
export async function tagged(host: string, repository: string, tag: string): Promise<string | undefined> {
  const headers = { accept: ACCEPT }
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, { method: 'HEAD', headers })
  return answer.status === 404 ? undefined : (answer.headers.get('docker-content-digest') ?? `status ${answer.status}`)
}
