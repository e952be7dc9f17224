/** The EventBridge rules, locally: calls a function every so many seconds, never twice at once. */
export interface Ticker {
  stop(): void
}

export function startTicker(seconds: number, tick: () => Promise<unknown>, first: 'now' | 'later'): Ticker {
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  const run = async () => {
    await tick().catch(() => {})
    schedule(seconds * 1000)
  }
  const schedule = (ms: number) => {
    if (!stopped) timer = setTimeout(run, ms)
  }
  if (first === 'now') void run()
  else schedule(seconds * 1000)
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

/** Seconds of `rate(5 minutes)`; undefined for what is not a rate. */
export function secondsOfRate(rate: string): number | undefined {
  const match = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(rate)
  const unit = { minute: 60, hour: 3_600, day: 86_400 }[match?.[2] ?? '']
  return match && unit ? Number(match[1]) * unit : undefined
}
