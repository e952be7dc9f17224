/** What registries do differently with uploads in chunks. One row per registry, each with where it is known from. */

export interface UploadQuirks {
  /** False: only one PUT with everything. */
  takesChunks: boolean
  /** Bytes of a chunk that is not the last. */
  chunkBytesMin: number
  /** Bytes of any chunk, the closing one included. */
  chunkBytesMax: number
  /** `Range` stays at the first chunk and the status may be 404 although the session lives: neither is believed. */
  isStatusStale: boolean
}

const MIB = 1_048_576

const ordinary: UploadQuirks = {
  takesChunks: true,
  chunkBytesMin: 0,
  chunkBytesMax: Number.POSITIVE_INFINITY,
  isStatusStale: false,
}

const QUIRKS: readonly (Partial<UploadQuirks> & { host: RegExp; source: string })[] = [
  {
    host: /^ghcr\.io$/,
    chunkBytesMax: 4 * MIB,
    source: '416 "exceeds the maximum permissible limit of 4.00MiB": ocx-sh/ocx#237, oras-project/rust-oci-client#37',
  },
  {
    host: /(^public\.ecr\.aws|\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?)$/,
    chunkBytesMin: 5 * MIB,
    chunkBytesMax: 10 * MIB,
    isStatusStale: true,
    source: 'parts of 5 to 10 MiB (service quotas); stale Range: aws/containers-roadmap#2831; 404: dotnet/sdk#33019',
  },
  {
    host: /(^|\.)(gcr\.io|pkg\.dev)$/,
    takesChunks: false,
    source: 'Artifact Registry takes monolithic uploads only: dotnet/sdk-container-builds#287, containers/skopeo#1101',
  },
]

/** The rules for a registry host (with or without a port). */
export function uploadQuirks(host: string): UploadQuirks {
  const name = host.replace(/:\d+$/, '')
  const found = QUIRKS.find((row) => row.host.test(name))
  if (!found) return ordinary
  const { host: _host, source: _source, ...quirks } = found
  return { ...ordinary, ...quirks }
}
