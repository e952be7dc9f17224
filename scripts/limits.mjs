// Writes docs/limits.md from lib/limits/, which holds every limit. `--check` only compares and ends with 1 when the
// page is stale. node scripts/limits.mjs [--check]
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build, stop } from 'esbuild'

const config = fileURLToPath(new URL('../lib/config.ts', import.meta.url))
const page = fileURLToPath(new URL('../docs/limits.md', import.meta.url))

/** Headings by the comments that group the limits in the source. */
const HEADINGS = {
  'registry client': 'Registry client',
  scan: 'Scan',
  advisories: 'Advisories',
  'job protocol': 'Job protocol',
  api: 'API',
  executions: 'Executions',
}

async function limitsOf(path) {
  const { outputFiles } = await build({ entryPoints: [path], bundle: true, format: 'esm', write: false })
  await stop()
  const code = Buffer.from(outputFiles[0].contents).toString('base64')
  return (await import(`data:text/javascript;base64,${code}`)).LIMITS
}

/** [heading, names], in the order of the sources. */
function groupsOf(source, names) {
  return [...source.matchAll(/^ {2}\/\/ (.+)\n {2}\.\.\.(\w+),$/gm)].map(([, comment, constant]) => {
    const file = new RegExp(`\\{ ${constant} \\} from '(.+)'`).exec(source)[1]
    const text = readFileSync(new URL(file, new URL('../lib/config.ts', import.meta.url)), 'utf8')
    const own = [...text.matchAll(/^ {2}(\w+): limit\(/gm)].map(([, name]) => name).filter((name) => names.has(name))
    return [HEADINGS[comment] ?? comment, own]
  })
}

const UNITS = [
  ['Bytes', 'bytes'],
  ['Seconds', 'seconds'],
  ['Ms', 'milliseconds'],
  ['Days', 'days'],
]
const unitOf = (name) => UNITS.find(([word]) => name.endsWith(word) || name.endsWith(`${word}Max`))?.[1] ?? 'count'
const variableOf = (name) => `LONGSHORE_${name.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`
const shown = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, ',')

function rowOf(name, { default: value, min, max, why }) {
  const cells = [`\`${variableOf(name)}\``, unitOf(name), shown(value), `${shown(min)} to ${shown(max)}`, why]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function pageOf(limits, source) {
  const names = new Set(Object.keys(limits))
  const groups = groupsOf(source, names)
  const placed = groups.flatMap(([, members]) => members)
  if (placed.length !== names.size) throw new Error('lib/config.ts has limits that stand under no comment')
  const tables = groups.flatMap(([heading, members]) => [
    `## ${heading}`,
    '',
    '| Variable | Unit | Default | Range | Why |',
    '| --- | --- | --- | --- | --- |',
    ...members.map((name) => rowOf(name, limits[name])),
    '',
  ])
  return `<!-- Written by scripts/limits.mjs from lib/config.ts. Do not edit: change lib/config.ts and run the script. -->
# Limits

Everything in Longshore has a limit. Each is set by its environment variable; a value that is no whole number or outside
its range ends the function at its start with one sentence that names the variable, the value and the range.

- **Locally:** set the variable before \`npm start\`.
- **In the cloud:** add it under \`provider.environment\` in \`serverless.yml\` and deploy again. The limits are the same for
  all functions.

Function timeouts, memory and pool sizes are no variables. They stand in \`serverless.yml\`; see
[operating.md](operating.md#tuning).

${tables.join('\n').trimEnd()}
`
}

const fresh = pageOf(await limitsOf(config), readFileSync(config, 'utf8'))
if (!process.argv.includes('--check')) writeFileSync(page, fresh)
else if (readFileSync(page, 'utf8') !== fresh) {
  console.error('docs/limits.md does not say what lib/config.ts says: run node scripts/limits.mjs')
  process.exitCode = 1
}
