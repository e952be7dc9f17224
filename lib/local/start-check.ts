/** The self-check at the start of the local run, asked of the API as anybody would: one line when something is wrong. */
interface Health {
  detail?: string
}

/** Call it after the first sweep and the first advisory build: before, both are still missing. Never throws. */
export async function tellSelfCheck(
  api: string,
  err: (line: string) => void = (line) => void process.stderr.write(line),
): Promise<void> {
  try {
    const answer = await fetch(`${api}/healthz?deep=1`)
    const { detail } = (await answer.json()) as Health
    // In order is what everybody expects: the line would stand in the middle of the demo.
    if (!answer.ok) err(`longshore: self-check: ${detail}\n`)
  } catch (thrown) {
    err(`longshore: self-check: the API does not answer (${String(thrown)})\n`)
  }
}
