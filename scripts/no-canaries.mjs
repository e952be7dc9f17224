// `node scripts/no-canaries.mjs FILE-OR-FOLDER...`: whether a secret of the tests was printed or left behind. Tests name
// their secrets `canary-...` (test/silent-canaries.ts); here they are looked for in logs and data folders, plain, in base64
// as headers carry them, and inside gzip. Exit 1 names file and offset of each; the secret itself is not printed.
import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { constants, gunzipSync } from 'node:zlib'

/** Of a file at once; pieces overlap by as much as the longest thing that is looked for. */
const PIECE_BYTES = 16 * 1_048_576
const OVERLAP_BYTES = 4_096
/** Of one member of gzip, packed and inflated. */
const MEMBER_BYTES = 64 * 1_048_576
const SHOWN_MAX = 100

/**
 * `canary-` at the three places it can have in base64, without the characters that depend on what stands beside it. A secret
 * in plain text has at least three more characters, so that prose about canaries is none.
 */
const inBase64 = [0, 1, 2].map((before) => {
  const text = Buffer.from(`${'x'.repeat(before)}canary-`)
    .toString('base64')
    .replace(/=+$/, '')
  const whole = Math.floor(((before + 7) * 8) / 6)
  return text.slice(Math.ceil((before * 8) / 6), whole)
})
const SECRET = new RegExp(`canary-[a-z0-9-]{3,}|${inBase64.join('|')}`, 'g')

const found = []

function look(text, offset, where) {
  for (const match of text.matchAll(SECRET)) {
    const at = `${where} at ${offset + match.index}`
    if (!found.includes(at)) found.push(at)
  }
}

/** Every member of gzip in these bytes, wherever it begins. */
function lookInside(bytes, offset, where) {
  for (
    let at = bytes.indexOf('\x1f\x8b\x08', 0, 'latin1');
    at >= 0;
    at = bytes.indexOf('\x1f\x8b\x08', at + 1, 'latin1')
  ) {
    try {
      // What was cut is inflated as far as it goes.
      const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MEMBER_BYTES }
      look(
        gunzipSync(bytes.subarray(at, at + MEMBER_BYTES), options).toString('latin1'),
        0,
        `${where}, gzip at ${offset + at},`,
      )
    } catch {
      // Three bytes that only look like gzip, or what follows is none.
    }
  }
}

let files = 0
function search(path) {
  const stat = lstatSync(path)
  if (stat.isDirectory()) {
    for (const name of readdirSync(path)) search(join(path, name))
    return
  }
  if (!stat.isFile()) return
  files++
  look(path, 0, `the name of ${path}`)
  const file = openSync(path, 'r')
  try {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, stat.size))
    for (let offset = 0; ; offset += PIECE_BYTES - OVERLAP_BYTES) {
      const bytes = piece.subarray(0, readSync(file, piece, 0, piece.length, offset))
      look(bytes.toString('latin1'), offset, path)
      lookInside(bytes, offset, path)
      if (bytes.length < PIECE_BYTES) break
    }
  } finally {
    closeSync(file)
  }
}

const paths = process.argv.slice(2)
if (paths.length === 0) {
  console.error('usage: node scripts/no-canaries.mjs FILE-OR-FOLDER...')
  process.exit(2)
}
for (const path of paths) search(path)
for (const where of found.slice(0, SHOWN_MAX)) console.log(`a secret of the tests in ${where}`)
if (found.length > SHOWN_MAX) console.log(`... and ${found.length - SHOWN_MAX} more`)
console.log(`${files} files searched, ${found.length} secrets found`)
process.exitCode = found.length > 0 ? 1 : 0
