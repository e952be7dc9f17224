/**
 * THE list of package databases a scan finds by their path; one file each. Programs are found by their content:
 * `executable.ts`. A new one raises `ANALYZER_VERSION`.
 */
import type { Analyzer } from './analyzer.ts'
import { apk } from './apk.ts'
import { composer } from './composer.ts'
import { dpkg } from './dpkg.ts'
import { gem } from './gem.ts'
import { java } from './java.ts'
import { npm } from './npm.ts'
import { nuget } from './nuget.ts'
import { python } from './python.ts'
import { rpm } from './rpm.ts'

export const ANALYZERS: readonly Analyzer[] = [dpkg, apk, rpm, npm, python, gem, composer, nuget, java]
