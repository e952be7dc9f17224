/**
 * Who built an OS package: the distribution, whose advisories then speak for everything in it, or somebody else. When it
 * cannot be told, somebody else: what is inside is then judged by itself, which reports too much, never too little.
 */

/** The beginning of rpm's vendor; with a pattern only releases that are built for the vendor's own distribution. */
const RPM_VENDORS: [vendor: RegExp, release?: RegExp][] = [
  [/^Red Hat\b/],
  [/^CentOS\b/],
  [/^AlmaLinux\b/],
  [/^CloudLinux\b/], // AlmaLinux's first builds
  [/^Rocky\b/],
  [/^Oracle America\b/],
  [/^Amazon(?: Linux|\.com)/, /\.amzn\d/],
  // EPEL's packages are built by Fedora too, and Red Hat has no advisories for them.
  [/^Fedora Project\b/, /\.fc\d/],
  [/^(?:open)?SUSE\b/],
  [/^VMware\b/, /\.ph\d/],
  [/^Microsoft Corporation\b/, /\.(?:cm|azl)\d/],
  [/^Mageia\b/],
  [/^(?:https?:\/\/)?openEuler\b/i],
]

/** Of rpm's tags; most builders at home name no vendor. */
export const isDistributionRpm = (vendor: string | undefined, release: string): boolean =>
  vendor !== undefined &&
  RPM_VENDORS.some(([name, built]) => name.test(vendor) && (built === undefined || built.test(release)))

/** Addresses of Debian's and Ubuntu's maintainers. Some of Debian's use their own: their packages are judged twice. */
const DEB_MAINTAINER = /@(?:[a-z\d-]+\.)*(?:debian\.(?:org|net)|ubuntu\.com|canonical\.com)>?\s*$/i

/**
 * What archives beside the distribution's put into versions, often keeping Debian's maintainer: releases by their names
 * (`~bookworm`, `+jammy1`; the distributions use numbers), apt.postgresql.org, sury.org, personal archives, and a name in
 * the revision (`1nodesource1`) that is not Ubuntu's.
 */
const DEB_ELSEWHERE =
  /pgdg|gbp[\da-f]{6}|ppa|[~+.-](?:buster|bullseye|bookworm|trixie|forky|xenial|bionic|focal|jammy|noble|questing)|-[\d.]+(?!ubuntu|build|cross)[a-z]{3,}/i

/**
 * Of a stanza's fields. Without a maintainer it was cut down by whoever made the image: every tool that builds packages
 * writes one.
 */
export function isDistributionDeb(told: { maintainer?: string; origin?: string; version: string }): boolean {
  const { maintainer, origin, version } = told
  if (DEB_ELSEWHERE.test(version)) return false
  if (origin !== undefined && !/^(?:Debian|Ubuntu)$/i.test(origin)) return false
  return maintainer === undefined || DEB_MAINTAINER.test(maintainer)
}
