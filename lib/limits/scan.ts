/** Reading layers and package databases. */
import { limit } from './limit.ts'

export const SCAN_LIMITS = {
  layerInflatedBytesMax: limit(
    107_374_182_400,
    1_048_576,
    1e13,
    '100 GiB; a layer that inflates to more does not finish in 15 minutes.',
  ),
  layerRatioMax: limit(
    2_000,
    10,
    1e6,
    'gzip cannot exceed 1032:1 and real layers stay under 100:1; zstd bombs reach 1e5:1.',
  ),
  layerEntriesMax: limit(
    20_000_000,
    1_000,
    1e9,
    'A layer of 3 million files exists (grype#1509); more than 20 million is an attack.',
  ),
  pathBytesMax: limit(4_096, 255, 65_536, 'PATH_MAX of Linux: a longer path cannot be opened in a container.'),
  packageFileBytesMax: limit(
    67_108_864,
    1_024,
    1_073_741_824,
    'The largest dpkg status seen is 12 MB; a file kept in memory must be bounded.',
  ),
  manifestFileBytesMax: limit(1_048_576, 1_024, 67_108_864, 'A package.json is a few KB, the largest seen 400 KB.'),
  packageListBytesMax: limit(
    16_777_216,
    1_024,
    268_435_456,
    "Lists of an application's packages (installed.json, deps.json, eggs, crates): the largest seen have 3 MB.",
  ),
  rpmFileBytesMax: limit(
    134_217_728,
    1_024,
    1_073_741_824,
    'An rpm database of 500 packages has 10 to 30 MB, a workstation 100 MB; it is kept in memory while it is read.',
  ),
  archiveFileBytesMax: limit(
    134_217_728,
    1_024,
    1_073_741_824,
    'A Java archive, also one inside another: applications with all their libraries have up to 100 MB. In memory.',
  ),
  archiveInflatedBytesMax: limit(
    536_870_912,
    1_024,
    1e10,
    'All that is read of one archive and of those inside it; the largest applications have 200 MB of libraries.',
  ),
  archiveMembersMax: limit(
    500_000,
    10,
    1e7,
    'Members of one archive and of those inside it; the largest applications have about 200,000 classes.',
  ),
  archiveDepthMax: limit(5, 0, 20, 'A library in a war in an ear is two archives deep; deeper is a trick.'),
  executableBuildInfoBytesMax: limit(
    1_048_576,
    1_024,
    16_777_216,
    'What a Go program says of how it was built: about 100 bytes a module, Kubernetes 20 KB.',
  ),
  ownedPackagesJudged: limit(
    0,
    0,
    1,
    '1: language packages that an OS package installed are judged beside it. Its distribution patches them otherwise.',
  ),
  layerRatioFreeBytes: limit(
    67_108_864,
    0,
    1e12,
    'A small layer of zeros may compress any amount and is harmless; the ratio counts above 64 MiB.',
  ),
  layerKeptPathBytesMax: limit(
    16_777_216,
    65_536,
    1_073_741_824,
    'Paths remembered of one layer (whiteouts, links, databases): 16 MiB are 200,000 paths, real layers have hundreds.',
  ),
  zstdWindowBytesMax: limit(
    134_217_728,
    1_024,
    2_145_386_496,
    'The default of the zstd tool and library (window log 27); BuildKit writes 8 MiB. The decoder allocates it at once.',
  ),
  layersInParallelMax: limit(
    3,
    1,
    16,
    'Measured: inflating one layer fills one core while another downloads; above 3 only memory grows.',
  ),
  layerWaitSeconds: limit(
    5,
    1,
    300,
    'How long a scan is put off while another reads a layer it needs too; most layers are read in less.',
  ),
  layerWaitsMax: limit(
    120,
    0,
    1_000,
    'How often in a row. After ten minutes, more than one lease lasts, the scan reads the layer itself.',
  ),
  gapsMax: limit(50, 1, 10_000, 'Sentences of one layer or image about what could not be seen; the rest is counted.'),
  packagesMax: limit(
    200_000,
    100,
    1e7,
    'The largest images seen hold about 15,000 packages; a report must fit in memory.',
  ),
} as const
