/** The operating system of the demo image: Debian 12.1 of July 2023 as dpkg would describe it. */
import type { TarEntry } from './tar.ts'

/**
 * `name version section [source [source-version]]`. Versions are those Debian shipped then; where a rebuild gave the
 * binary another version than its source (`+b1`), the source version stands last, as in dpkg's own `Source:` field.
 */
const PACKAGES = `
adduser 3.134 admin
apt 2.6.1 admin
base-files 12.4+deb12u1 admin
base-passwd 3.6.1 admin
bash 5.2.15-2+b2 shells bash 5.2.15-2
bsdutils 1:2.38.1-5+b1 utils util-linux 2.38.1-5
ca-certificates 20230311 misc
coreutils 9.1-1 utils
dash 0.5.12-2 shells
debconf 1.5.82 admin
debianutils 5.7-0.4 utils
diffutils 1:3.8-4 utils
dpkg 1.21.22 admin
findutils 4.9.0-4 utils
gcc-12-base 12.2.0-14 libs gcc-12
gpgv 2.2.40-1.1 utils gnupg2
grep 3.8-5 utils
gzip 1.12-1 utils
hostname 3.23+nmu1 admin
libacl1 2.3.1-3 libs acl
libapt-pkg6.0 2.6.1 libs apt
libattr1 1:2.5.1-4 libs attr
libblkid1 2.38.1-5+b1 libs util-linux 2.38.1-5
libbz2-1.0 1.0.8-5+b1 libs bzip2 1.0.8-5
libc-bin 2.36-9+deb12u1 libs glibc
libc6 2.36-9+deb12u1 libs glibc
libcap2 1:2.66-4 libs
libcrypt1 1:4.4.33-2 libs libxcrypt
libdb5.3 5.3.28+dfsg2-1 libs db5.3
libexpat1 2.5.0-1 libs expat
libffi8 3.4.4-1 libs libffi
libgcc-s1 12.2.0-14 libs gcc-12
libgcrypt20 1.10.1-3 libs
libgmp10 2:6.2.1+dfsg1-1.1 libs gmp
libgnutls30 3.7.9-2 libs gnutls28
libgpg-error0 1.46-1 libs libgpg-error
libgssapi-krb5-2 1.20.1-2 libs krb5
libhogweed6 3.8.1-2 libs nettle
libicu72 72.1-3 libs icu
libidn2-0 2.3.3-1+b1 libs libidn2 2.3.3-1
libk5crypto3 1.20.1-2 libs krb5
libkrb5-3 1.20.1-2 libs krb5
liblz4-1 1.9.4-1 libs lz4
liblzma5 5.4.1-0.2 libs xz-utils
libmount1 2.38.1-5+b1 libs util-linux 2.38.1-5
libnettle8 3.8.1-2 libs nettle
libnghttp2-14 1.52.0-1 libs nghttp2
libp11-kit0 0.24.1-2 libs p11-kit
libpam0g 1.5.2-6 libs pam
libpcre2-8-0 10.42-1 libs pcre2
libselinux1 3.4-1+b6 libs libselinux 3.4-1
libsqlite3-0 3.40.1-2 libs sqlite3
libssl3 3.0.9-1 libs openssl
libstdc++6 12.2.0-14 libs gcc-12
libsystemd0 252.12-1~deb12u1 libs systemd
libtasn1-6 4.19.0-2 libs
libtinfo6 6.4-4 libs ncurses
libudev1 252.12-1~deb12u1 libs systemd
libunistring2 1.0-2 libs libunistring
libuuid1 2.38.1-5+b1 libs util-linux 2.38.1-5
libxml2 2.9.14+dfsg-1.3~deb12u1 libs
libxxhash0 0.8.1-1 libs xxhash
libzstd1 1.5.4+dfsg2-5 libs libzstd
login 1:4.13+dfsg1-1+b1 admin shadow 1:4.13+dfsg1-1
mawk 1.3.4.20200120-3.1 interpreters
ncurses-bin 6.4-4 utils ncurses
openssl 3.0.9-1 utils
passwd 1:4.13+dfsg1-1+b1 admin shadow 1:4.13+dfsg1-1
perl-base 5.36.0-7 perl perl
sed 4.9-1 utils
tar 1.34+dfsg-1.2 utils
tzdata 2023c-5 localization
util-linux 2.38.1-5+b1 utils
zlib1g 1:1.2.13.dfsg-1 libs zlib
`

/** Packages that hold no machine code. */
const ARCHITECTURE_ALL = new Set(['adduser', 'ca-certificates', 'debconf', 'tzdata'])

export interface DemoPackage {
  name: string
  version: string
  section: string
  source: string
  sourceVersion: string
}

export const debianPackages: readonly DemoPackage[] = PACKAGES.trim()
  .split('\n')
  .map((line) => {
    const [name = '', version = '', section = '', source = name, sourceVersion = version] = line.split(' ')
    return { name, version, section, source, sourceVersion }
  })

/** `var/lib/dpkg/status` for an architecture of Debian (amd64, arm64). */
function dpkgStatus(architecture: string): string {
  return debianPackages.map((p) => stanza(p, architecture)).join('\n')
}

function stanza(p: DemoPackage, architecture: string): string {
  const source = p.source === p.name && p.sourceVersion === p.version ? [] : [`Source: ${sourceField(p)}`]
  return `${[
    `Package: ${p.name}`,
    'Status: install ok installed',
    'Priority: optional',
    `Section: ${p.section}`,
    // Debian forwards this address to whoever maintains the source package.
    `Maintainer: Debian maintainers of ${p.source} <${p.source}@packages.debian.org>`,
    `Architecture: ${ARCHITECTURE_ALL.has(p.name) ? 'all' : architecture}`,
    ...(p.section === 'libs' ? ['Multi-Arch: same'] : []),
    ...source,
    `Version: ${p.version}`,
    `Description: ${p.name} of Debian 12`,
    ` Part of Longshore's demo image, which holds the description of this`,
    ' package and nothing of the package itself.',
  ].join('\n')}\n`
}

const sourceField = (p: DemoPackage) => (p.sourceVersion === p.version ? p.source : `${p.source} (${p.sourceVersion})`)

const OS_RELEASE = `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
SUPPORT_URL="https://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
`

/** The base layer: a merged /usr, os-release behind its usual link, and the package database. */
export function debianLayer(architecture: string): TarEntry[] {
  return [
    ...['etc/', 'srv/', 'usr/', 'usr/bin/', 'usr/lib/', 'var/', 'var/lib/', 'var/lib/dpkg/', 'var/lib/dpkg/info/'].map(
      (path): TarEntry => ({ path }),
    ),
    { path: 'bin', type: 'symlink', linkname: 'usr/bin', mode: 0o777 },
    { path: 'lib', type: 'symlink', linkname: 'usr/lib', mode: 0o777 },
    { path: 'tmp/', mode: 0o1777 },
    { path: 'usr/lib/os-release', content: OS_RELEASE },
    { path: 'etc/os-release', type: 'symlink', linkname: '../usr/lib/os-release', mode: 0o777 },
    { path: 'etc/debian_version', content: '12.1\n' },
    { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/bash\nshop:x:1000:1000::/srv/shop:/bin/sh\n' },
    { path: 'var/lib/dpkg/status', content: dpkgStatus(architecture) },
    { path: 'var/lib/dpkg/status-old', type: 'hardlink', linkname: 'var/lib/dpkg/status' },
  ]
}
