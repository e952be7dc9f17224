import { expect, test } from 'vitest'
import { distributionOf } from '../../lib/scan/distribution.ts'
import { readOs } from '../../lib/scan/os.ts'
import { comparatorOf } from '../../lib/scan/versions/index.ts'

/** The first ecosystem of each distribution, from the lines its own os-release has. */
test.each([
  ['debian', '12', 'dpkg', 'Debian:12'],
  ['ubuntu', '22.04', 'dpkg', 'Ubuntu:22.04'],
  ['alpine', '3.19.1', 'apk', 'Alpine:v3.19'],
  ['wolfi', '20230201', 'apk', 'Wolfi'],
  ['chainguard', '20230214', 'apk', 'Chainguard'],
  ['rhel', '9.4', 'rpm', 'Red Hat:enterprise_linux:9::baseos'],
  ['centos', '7', 'rpm', 'CentOS:7'],
  ['almalinux', '8.9', 'rpm', 'AlmaLinux:8'],
  ['rocky', '9.3', 'rpm', 'Rocky Linux:9'],
  ['ol', '8.8', 'rpm', 'Oracle Linux:8'],
  ['fedora', '39', 'rpm', 'Fedora:39'],
  ['amzn', '2023', 'rpm', 'Amazon Linux:2023'],
  ['amzn', '2023.6.20241010', 'rpm', 'Amazon Linux:2023'],
  ['amzn', '2018.03', 'rpm', 'Amazon Linux:1'],
  ['sles', '15.5', 'rpm', 'SUSE:Linux Enterprise Server 15 SP5'],
  ['sles', '15', 'rpm', 'SUSE:Linux Enterprise Server 15'],
  ['sles', '16.0', 'rpm', 'SUSE:Linux Enterprise Server 16.0'],
  ['opensuse-leap', '15.5', 'rpm', 'openSUSE:Leap 15.5'],
  ['opensuse-tumbleweed', '20240101', 'rpm', 'openSUSE:Tumbleweed'],
  ['photon', '4.0', 'rpm', 'Photon OS:4.0'],
  ['mariner', '2.0', 'rpm', 'Azure Linux:2'],
  ['azurelinux', '3.0', 'rpm', 'Azure Linux:3'],
])('%s %s is judged by %s as %s', (id, version, family, ecosystem) => {
  const found = distributionOf(readOs({ 'etc/os-release': `ID="${id}"\nVERSION_ID="${version}"\n` }))
  expect(found).toMatchObject({ family })
  expect('ecosystems' in found && found.ecosystems[0]).toBe(ecosystem)
  expect(comparatorOf(ecosystem)).toBeDefined()
})

test('Red Hat and AlmaLinux name binary packages in their advisories, the others source packages', () => {
  for (const id of ['rhel', 'almalinux', 'rocky', 'sles', 'fedora'])
    expect(distributionOf({ id, version: '9' })).toMatchObject({
      subject: id === 'rhel' || id === 'almalinux' ? 'binary' : 'source',
    })
})

test('a distribution or release that is not known is a sentence, never a guess', () => {
  for (const os of [
    undefined,
    { id: 'hannah-montana', version: '1' },
    { id: 'almalinux', version: '' },
    { id: 'ubuntu', version: '22' },
  ])
    expect(distributionOf(os)).toHaveProperty('gap')
})
