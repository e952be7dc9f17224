import { expect, test } from 'vitest'
import { packageKey } from '../../lib/advisories/index.ts'

test.each([
  'Debian:12',
  'Ubuntu:Pro:18.04',
  'Alpine:v3.19',
  'AlmaLinux:9',
  'Rocky Linux:9',
  'Red Hat:enterprise_linux:9::baseos',
  'Oracle Linux:8',
  'Amazon Linux:2023',
  'CentOS:7',
  'Fedora:39',
  'SUSE:Linux Enterprise Server 15 SP5',
  'openSUSE:Leap 15.5',
  'Photon OS:4.0',
  'Mageia:9',
  'Azure Linux:3',
  'openEuler:24.03-LTS',
  'Alpaquita:23',
  'BellSoft Hardened Containers:25',
  'FreeBSD:ports',
  'Bioconductor:3.18',
  'TuxCare:Alpine:v3.16',
  'A New Distribution:7',
])('%s is filed by its release, apart from all others', (ecosystem) => {
  expect(packageKey(ecosystem, 'x').ecosystem).toBe(ecosystem)
})

test.each([
  ['Ubuntu:22.04:LTS', 'Ubuntu:22.04'],
  ['Wolfi', 'Wolfi'],
  ['Bitnami', 'Bitnami'],
  ['Maven:https://repo1.maven.org/maven2', 'Maven'],
  ['Packagist:https://packages.drupal.org/8', 'Packagist'],
  ['VSCode:https://open-vsx.org', 'VSCode'],
])('%s is filed as %s', (ecosystem, file) => {
  expect(packageKey(ecosystem, 'x').ecosystem).toBe(file)
})
