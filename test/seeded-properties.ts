/** Properties are tried with the same values in each run. `LONGSHORE_PROPERTY_SEED=7 npm test` tries others. */
import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env.LONGSHORE_PROPERTY_SEED ?? 20_261_122) })
