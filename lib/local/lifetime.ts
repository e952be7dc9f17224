/** When the local run ends: a signal, the terminal's death or the parent's. Always within two seconds, with exit 0. */
const END_MS_MAX = 1_500

export function endOnSignals(close: () => Promise<void>): void {
  let ending = false
  const end = () => {
    if (ending) return
    ending = true
    // Whatever hangs in closing: the data survives a kill, so the process may just go.
    setTimeout(() => process.exit(0), END_MS_MAX).unref()
    void close().finally(() => process.exit(0))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // serverless and serverless-offline listen too, and would end the process before everything is closed.
    process.removeAllListeners(signal)
    process.on(signal, end)
  }
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) end()
  }, 250).unref()
  // A terminal that went away must not turn our last words into a crash.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
}
