/** What must be true of a target registry and of the events, whatever was killed. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

interface Manifest {
  config?: { digest: string; size: number }
  layers?: { digest: string; size: number }[]
  manifests?: { digest: string; size: number }[]
}

/**
 * Tags of the registry and what they name, each with everything below it read and compared with its digest. `checked`:
 * blobs that were read before are only asked for, so that one may look again and again.
 */
export async function wholeTags(url: string, checked = new Set<string>()): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const { repositories } = (await (await fetch(`${url}/v2/_catalog?n=10000`)).json()) as { repositories: string[] }
  for (const repository of repositories) {
    const { tags } = (await (await fetch(`${url}/v2/${repository}/tags/list`)).json()) as { tags: string[] }
    for (const tag of tags) found.set(`${repository}:${tag}`, await whole(url, repository, tag, checked))
  }
  return found
}

/** Throws when anything below a manifest is missing or is not what its digest says. Returns its digest. */
async function whole(url: string, repository: string, reference: string, checked: Set<string>): Promise<string> {
  const answer = await fetch(`${url}/v2/${repository}/manifests/${reference}`, {
    headers: {
      accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*',
    },
  })
  if (!answer.ok) throw new Error(`${repository}:${reference} is named, but answers ${answer.status}`)
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const digest = sha256(bytes)
  if (reference.startsWith('sha256:') && reference !== digest) throw new Error(`${reference} holds ${digest}`)
  const manifest = JSON.parse(Buffer.from(bytes).toString()) as Manifest
  for (const child of manifest.manifests ?? []) await whole(url, repository, child.digest, checked)
  for (const blob of [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])]) {
    const got = await fetch(`${url}/v2/${repository}/blobs/${blob.digest}`, {
      method: checked.has(blob.digest) ? 'HEAD' : 'GET',
    })
    if (!got.ok) throw new Error(`${repository}:${reference} needs ${blob.digest}, which answers ${got.status}`)
    if (checked.has(blob.digest)) continue
    const content = new Uint8Array(await got.arrayBuffer())
    if (sha256(content) !== blob.digest || content.length !== blob.size)
      throw new Error(`${repository}:${reference}: ${blob.digest} holds ${sha256(content)}`)
    checked.add(blob.digest)
  }
  return digest
}

/** Terminal events by job, from the file of the local run and the older one beside it; a torn line is left out. */
export function eventsOf(path: string): Map<string, Set<string>> {
  const events = new Map<string, Set<string>>()
  for (const file of [`${path}.1`, path]) {
    if (!existsSync(file)) continue
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      let event: { subject: string; type: string }
      try {
        event = JSON.parse(line)
      } catch {
        continue
      }
      events.set(event.subject, (events.get(event.subject) ?? new Set()).add(event.type))
    }
  }
  return events
}
