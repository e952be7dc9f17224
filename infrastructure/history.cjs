// How long what has ended is kept: one number for the records and for the bucket, `--param historyDays=365`. Without it
// LONGSHORE_HISTORY_DAYS of the one who deploys, without that the default of lib/limits/job.ts (a test compares them).
const DEFAULT_DAYS = 90
/** A message lives 14 days; a record that is gone before would not be found by a late one. */
const MIN_DAYS = 15
/** lib/limits/scan.ts: what is kept of an image points at its report. */
const IMAGE_DAYS_MAX = 90
/** A log or report is written before its job ends, and the job is shown until its last day. */
const OBJECTS_LONGER = 7

async function historyDays({ resolveVariable }) {
  const text = await resolveVariable(`param:historyDays, env:LONGSHORE_HISTORY_DAYS, '${DEFAULT_DAYS}'`)
  const days = Number(text)
  if (!Number.isInteger(days) || days < MIN_DAYS || days > 3_650)
    throw new Error(`historyDays=${text} is not a whole number of days from ${MIN_DAYS} to 3650`)
  return days
}

/** Of records: LONGSHORE_HISTORY_DAYS. */
module.exports.records = async (variables) => String(await historyDays(variables))
/** Of images: LONGSHORE_IMAGE_DAYS, not longer than their reports. */
module.exports.images = async (variables) => String(Math.min(IMAGE_DAYS_MAX, await historyDays(variables)))
/** Of logs and reports: the lifecycle of the bucket. */
module.exports.objects = async (variables) => OBJECTS_LONGER + (await historyDays(variables))
