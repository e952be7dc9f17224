// When the local run ends: by SIGINT, SIGTERM or SIGHUP, or when whoever started it is gone. Within two seconds, exit
// code 0, nothing left behind. Imported first, so that this holds from the first moment; plain JavaScript, because
// then nothing is built yet.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Whatever hangs in closing: the data survives a kill, so the process may just go. */
const END_MS_MAX = 1_500
const WATCH_MS = 250

let close = async () => {}
let ending = false

/** Ends the process with this code after what `closeWith` was given. Further calls change nothing. */
export function end(code = 0) {
  if (ending) return
  ending = true
  setTimeout(() => process.exit(code), END_MS_MAX)
  close()
    .catch(() => {})
    .finally(() => process.exit(code))
}

/** From now on this is done before the end; call it again once other code may have listened to the signals. */
export function closeWith(closing) {
  close = closing
  listen()
}

function listen() {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // serverless and serverless-offline listen too, and would end the process before everything is closed.
    process.removeAllListeners(signal)
    process.on(signal, () => end())
  }
}

/** The parent of a process, or undefined where neither /proc nor ps can tell. */
function parentOf(pid) {
  try {
    // The name of the program is in brackets and may hold anything; the fields are counted from its end.
    const [, after] = /^.*\) \S (\d+) /s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    if (after) return Number(after)
  } catch {
    // Not Linux.
  }
  try {
    return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' })) || undefined
  } catch {
    return undefined
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

listen()
const parent = process.ppid
// npm runs its scripts through a shell, which lives on when npm is killed: then npm is the one to watch.
const runner = process.env.npm_command ? parentOf(parent) : undefined
setInterval(() => {
  if (process.ppid !== parent || (runner && !isAlive(runner))) end()
}, WATCH_MS).unref()
// A terminal that went away must not turn our last words into a crash.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
