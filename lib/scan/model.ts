/** What a scan keeps: layer inventories by diffID and image inventories by manifest digest. */

/** Rises when the same bytes may give another inventory: it is part of every inventory's key. */
export const ANALYZER_VERSION = 5

/** A package as its database tells it. `ecosystem` of OS packages is decided by the image's os-release, not here. */
export interface FoundPackage {
  kind: 'dpkg' | 'apk' | 'rpm' | 'npm' | 'python' | 'gem' | 'composer' | 'nuget' | 'maven' | 'go' | 'cargo'
  name: string
  version: string
  architecture?: string
  source?: { name: string; version: string }
  /** Path of the file that told us, normalised, no leading slash. */
  path: string
  /** Inside an archive: the archive in it that told us, `BOOT-INF/lib/a.jar!/b.jar`. */
  member?: string
  /** An OS package put the file there: its distribution judges it. */
  owned?: true
}

/**
 * The OS package that has a file, where its database tells in every layer of all packages (apk, rpm): only the layers
 * below tell whether the package brought the file, or only had it before.
 */
export interface FileOwner {
  name: string
  version: string
  architecture?: string
  /** What could not be seen of the file; it matters when the file is not the package's any more. */
  gaps?: string[]
  /** In place of `gaps`, where the layer has more than it keeps: their hash. */
  unseen?: string
}

/** What one layer says, before whiteouts are applied. A few KB. */
export interface LayerInventory {
  analyzer: number
  diffId: string
  packages: FoundPackage[]
  /** Every package database file of this layer, with or without packages: it replaces the lower layers' file. */
  databases: string[]
  /** Package databases that no analyzer reads (pacman, ...), by path: what they are. */
  unread: Record<string, string>
  /** What could not be seen of single files, by path: a later layer may remove them. */
  fileGaps?: Record<string, string[]>
  /** Whose the files of this layer are that have `owned` packages, or gaps, by path. */
  owners?: Record<string, FileOwner>
  /** os-release (and its fallbacks) by path, as text up to 64 KiB. */
  osFiles: Record<string, string>
  /** Paths removed from lower layers. */
  whiteouts: string[]
  /** Directories whose lower content is hidden. */
  opaque: string[]
  /** Non-directories at paths that may shadow a lower directory that holds a database or a manifest. */
  shadows: string[]
  /** Directories at paths where a lower layer may have a symbolic link or a file, which they replace. */
  directories: string[]
  /** Symbolic links of directories, for paths such as `lib -> usr/lib`. */
  links: Record<string, string>
  entries: number
  bytes: number
  /** What could not be seen of the layer itself. */
  gaps: string[]
}

export interface ImagePackage extends FoundPackage {
  layer: string
  /** As the SBOM spells it that the package is from; else it is made of the rest. */
  purl?: string
}

export interface ImageInventory {
  analyzer: number
  digest: string
  platform: string
  os?: { id: string; version: string; name?: string }
  packages: ImagePackage[]
  layers: { digest: string; diffId: string }[]
  gaps: string[]
  /** `none`: not an image, nothing was scanned. */
  kind: 'image' | 'artifact'
}
