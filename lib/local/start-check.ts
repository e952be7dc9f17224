/** The self-check at the start of the local run, asked of the API as anybody would: one line, whether or not all is well. */
interface Health {
  checks?: { name: string }[]
  detail?: string
}

/** Call it after the first sweep and the first advisory build: before, both are still missing. Never throws. */
export async function tellSelfCheck(
  api: string,
  out: (line: string) => void = (line) => void process.stdout.write(line),
  err: (line: string) => void = (line) => void process.stderr.write(line),
): Promise<void> {
  try {
    const answer = await fetch(`${api}/healthz?deep=1`)
    const { checks = [], detail } = (await answer.json()) as Health
    if (answer.ok) out(`self-check: ${checks.map(({ name }) => name).join(', ')} are in order\n`)
    else err(`longshore: self-check: ${detail}\n`)
  } catch (thrown) {
    err(`longshore: self-check: the API does not answer (${String(thrown)})\n`)
  }
}
