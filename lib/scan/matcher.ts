/** Which flaws packages have, by the advisories of their ecosystems. */
import type { AdvisoryDatabase } from '../advisories/index.ts'
import { affectedBy } from './affected.ts'
import { type Flaw, flawsOf, type Hit } from './flaws.ts'
import type { Subject } from './judges.ts'
import { comparatorOf } from './versions/index.ts'

/** Flaws kept for packages that come again; a hostile image has ten times as many, all of different versions. */
const FLAWS_HELD_MAX = 50_000

/** One matcher per report: a package name met twice is looked up once. */
export class Matcher {
  readonly #database: AdvisoryDatabase
  readonly #flaws = new Map<string, Promise<Flaw[]>>()
  #flawsHeld = 0

  constructor(database: AdvisoryDatabase) {
    this.#database = database
  }

  flaws(ecosystems: readonly string[], subjects: readonly Subject[]): Promise<Flaw[]> {
    let key = ecosystems[0]!
    for (const { name, version } of subjects) key += `\n${name}\n${version}`
    let found = this.#flaws.get(key)
    if (!found) {
      if (this.#flawsHeld > FLAWS_HELD_MAX) {
        this.#flaws.clear()
        this.#flawsHeld = 0
      }
      found = this.#match(ecosystems, subjects)
      this.#flaws.set(key, found)
    }
    return found
  }

  async #match(ecosystems: readonly string[], subjects: readonly Subject[]): Promise<Flaw[]> {
    const hits: Hit[] = []
    for (const ecosystem of ecosystems) {
      const compare = comparatorOf(ecosystem)
      if (!compare) continue
      for (const { name, version, names } of subjects)
        for (const match of await this.#database.lookup(ecosystem, name)) {
          if (names !== undefined && names !== (match.binary ? 'binary' : 'source')) continue
          const affected = affectedBy(match, version, compare)
          const details = affected && (await this.#database.details(ecosystem, match.id))
          if (!details) continue
          const { severities, label } = match
          hits.push({ details, ...affected, ...(severities ? { severities } : {}), ...(label ? { label } : {}) })
        }
    }
    const flaws = flawsOf(hits)
    this.#flawsHeld += flaws.length
    return flaws
  }
}
