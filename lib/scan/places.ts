/**
 * Which places of a layer must be remembered to merge it right, beside package databases themselves. A layer may hold
 * millions of files, so not every path can be kept; the rule keeps those at which a lower layer may hold databases
 * beneath, or which may lead to one:
 *
 * - the directories above the databases of the operating system, exactly;
 * - everything at most three segments deep (`usr/src/app`), where images keep their applications, but not the leaves
 *   of directories full of programs and settings;
 * - inside `node_modules`, what stands where a package may stand.
 *
 * What slips through is a file deeper than that which replaces a whole directory with packages beneath, or a
 * program that replaces one with a list of modules: those packages are then still reported. The error is towards reporting too much, never towards "clean".
 */
import { OS_FILES } from './os.ts'

const DATABASES = [
  'var/lib/dpkg/status',
  'var/lib/dpkg/status.d/x',
  'lib/apk/db/installed',
  'usr/lib/apk/db/installed',
  'var/lib/rpm/rpmdb.sqlite',
  'var/lib/rpm/Packages',
  'var/lib/rpm/Packages.db',
  'usr/lib/sysimage/rpm/rpmdb.sqlite',
  'usr/lib/sysimage/rpm/Packages.db',
  'usr/local/lib/node_modules/x',
  ...OS_FILES,
]

/** Each database's path and every directory above it. */
const ANCHORS: ReadonlySet<string> = new Set(
  DATABASES.flatMap((path) => path.split('/').map((_, depth, all) => all.slice(0, depth + 1).join('/'))),
)

const NOISE = /^(?:bin|sbin|dev|proc|sys|run|tmp|boot|etc|usr\/bin|usr\/sbin|usr\/share|usr\/include|usr\/libexec)\//
const PACKAGE_PLACE = /(?:^|\/)node_modules(?:\/(?:@[^/]+\/)?[^/]+)?$/

/** Whether a file or a symbolic link at this path must be remembered. */
export function isPlace(path: string): boolean {
  if (ANCHORS.has(path)) return true
  if (path.includes('node_modules')) return PACKAGE_PLACE.test(path)
  return !NOISE.test(path) && depthOf(path) <= 3
}

function depthOf(path: string): number {
  let depth = 1
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) depth++
  return depth
}
