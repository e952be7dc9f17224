/** THE list of package databases a scan reads; one file each. A new one raises `ANALYZER_VERSION`. */
import type { Analyzer } from './analyzer.ts'
import { apk } from './apk.ts'
import { dpkg } from './dpkg.ts'
import { npm } from './npm.ts'

export const ANALYZERS: readonly Analyzer[] = [dpkg, apk, npm]
