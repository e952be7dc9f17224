/**
 * Package databases that are recognised but not read. A scan says so: an image with an rpm database and no findings is
 * not clean, it is not known.
 */

const RPM = /^(?:var\/lib\/rpm|usr\/lib\/sysimage\/rpm)\/(?:rpmdb\.sqlite|Packages(?:\.db)?)$/
const PACMAN = /^var\/lib\/pacman\/local\/[^/]+\/desc$/
const PYTHON = /(?:site|dist)-packages\/[^/]+\.(?:dist-info\/METADATA|egg-info(?:\/PKG-INFO)?)$/
const RUBY = /\/specifications\/[^/]+\.gemspec$/
const PHP = /\/vendor\/composer\/installed\.json$/
const JAVA = /\.[jwe]ar$/

/** Debian's policy puts libraries that dpkg owns there; dpkg's database already tells them. */
const OWNED_BY_DPKG =
  /^usr\/(?:lib\/python3\/dist-packages\/|share\/java\/|share\/maven-repo\/|share\/rubygems-integration\/)/

/** What kind of packages the file at this path tells, when no analyzer reads them. */
export function unreadKind(path: string): string | undefined {
  switch (path[path.length - 1]) {
    case 'e': // rpmdb.sqlite
    case 's': // Packages
    case 'b': // Packages.db
      return path.includes('rpm/') && RPM.test(path) ? 'rpm' : undefined
    case 'c':
      if (PACMAN.test(path)) return 'pacman'
      return RUBY.test(path) && !OWNED_BY_DPKG.test(path) ? 'RubyGems' : undefined
    case 'A':
    case 'O':
    case 'o':
      return PYTHON.test(path) && !OWNED_BY_DPKG.test(path) ? 'Python' : undefined
    case 'n':
      return PHP.test(path) ? 'Composer' : undefined
    case 'r':
      return JAVA.test(path) && !OWNED_BY_DPKG.test(path) ? 'Java' : undefined
  }
  return undefined
}
