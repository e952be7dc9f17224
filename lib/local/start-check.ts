/** The self-check at the start of the local run, asked of the API as anybody would: one line when something is wrong. */
interface Health {
  errors?: { pointer: string; detail: string }[]
}

/** Call it after the first sweep and the first advisory build: before, both are still missing. Never throws. */
export async function tellSelfCheck(
  api: string,
  err: (line: string) => void = (line) => void process.stderr.write(line),
): Promise<void> {
  try {
    const answer = await fetch(`${api}/healthz?deep=1`)
    // In order is what everybody expects: the line would stand in the middle of the demo.
    if (answer.ok) return
    const { errors = [] } = (await answer.json()) as Health
    // Advisories that could not be built have told it themselves.
    const wrong = errors.flatMap(({ pointer, detail }) => (pointer === '/checks/advisories' ? [] : [detail]))
    if (wrong.length > 0) err(`longshore: self-check: ${wrong.join('; ')}\n`)
  } catch (thrown) {
    err(`longshore: self-check: the API does not answer (${String(thrown)})\n`)
  }
}
