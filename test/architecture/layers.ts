/** The layers of design §2, from the top down, and what is wrong with a set of imports. */
import { type Import, roomOf } from './sources.ts'

export const LAYERS: readonly (readonly string[])[] = [
  ['functions', 'local', 'cli'],
  // `consume` turns events of Lambda into calls of `job`; `operator-log` and `metrics` are what `job` asks for; `observed`
  // stands around every handler.
  ['http', 'schedule', 'notify', 'jobs', 'app', 'consume', 'observed', 'operator-log', 'metrics'],
  ['scan', 'replicate', 'self-check'],
  ['job', 'oci', 'advisories', 'report'],
  ['net', 'store', 'queue', 'blobs', 'secrets', 'events'],
  [
    'config',
    'limits',
    'errors',
    'glossary',
    'clock',
    'random',
    'variables',
    'shown-value',
    'validation',
    'version',
    'is-alive',
  ],
]

/** Inside a layer rooms are on their own, but for these. */
const BESIDE: Record<string, string> = {
  'http -> schedule': 'the API shows and fires policies',
  'job -> oci': 'a job is about an image: references, and the registries it opens',
  'config -> limits': 'the limits by room, put together',
  'config -> errors': 'a limit out of range is an error',
  'errors -> glossary': 'sides of a replication',
  'random -> clock': 'a seeded world hands both out together',
  'validation -> shown-value': 'a sentence shows the value',
  'variables -> errors': 'a missing variable is an error',
}

const layerOf = (room: string): number => LAYERS.findIndex((rooms) => rooms.includes(room))

/** One sentence per import that goes up, or sideways without leave, and per room that stands in no layer. */
export function layerProblems(imports: readonly Import[]): string[] {
  const problems = new Set<string>()
  for (const { from, to } of imports) {
    const [a, b] = [roomOf(from), roomOf(to)]
    for (const room of [a, b]) if (layerOf(room) < 0) problems.add(`the room ${room} stands in no layer`)
    if (a === b) continue
    if (layerOf(b) < layerOf(a)) problems.add(`${from} imports ${to}: ${b} is above ${a}`)
    else if (layerOf(a) === layerOf(b) && !(`${a} -> ${b}` in BESIDE))
      problems.add(`${from} imports ${to}: ${a} and ${b} stand beside each other`)
  }
  return [...problems].sort()
}

/** Every cycle once, as `a -> b -> a`, from its first file in order of names. */
export function cycles(imports: readonly Import[]): string[] {
  const edges = new Map<string, string[]>()
  for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to])
  const found = new Set<string>()
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): void => {
    const start = path.indexOf(file)
    if (start >= 0) {
      const cycle = path.slice(start)
      const first = cycle.indexOf([...cycle].sort()[0]!)
      const turned = [...cycle.slice(first), ...cycle.slice(0, first)]
      found.add([...turned, turned[0]].join(' -> '))
    }
    if (start >= 0 || done.has(file)) return
    path.push(file)
    for (const next of edges.get(file) ?? []) visit(next)
    path.pop()
    done.add(file)
  }
  for (const file of [...edges.keys()].sort()) visit(file)
  return [...found]
}
