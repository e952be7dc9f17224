import { describe, expect, test } from 'vitest'
import { operatorMetrics } from '../lib/metrics.ts'

const NOW = Date.UTC(2026, 10, 22, 12)

function world() {
  const lines: string[] = []
  const metrics = operatorMetrics({ LONGSHORE_METRICS: 'longshore-test' }, (line) => lines.push(line), {
    now: () => NOW,
  })!
  return { lines, metrics, parsed: () => lines.map((line) => JSON.parse(line)) }
}

describe('metrics', () => {
  test('are one line of the embedded metric format a type, with units and the values beside them', () => {
    const { metrics, parsed } = world()

    metrics.count('started', 'scan')
    metrics.count('started', 'scan')
    metrics.count('failed', 'replicate', 3)
    metrics.measure('runMs', 'scan', 12)
    metrics.measure('runMs', 'scan', 30)
    metrics.flush()

    expect(parsed()).toEqual([
      {
        _aws: {
          Timestamp: NOW,
          CloudWatchMetrics: [
            {
              Namespace: 'longshore-test',
              Dimensions: [['type']],
              Metrics: [
                { Name: 'started', Unit: 'Count' },
                { Name: 'runMs', Unit: 'Milliseconds' },
              ],
            },
          ],
        },
        type: 'scan',
        started: [2],
        runMs: [12, 30],
      },
      expect.objectContaining({ type: 'replicate', failed: [3] }),
    ])
  })

  test('are written once: a second flush has nothing', () => {
    const { metrics, lines } = world()

    metrics.count('submitted', 'scan')
    metrics.flush()
    metrics.flush()

    expect(lines).toHaveLength(1)
  })

  test('of nothing are not written, since each would be billed', () => {
    const { metrics, lines } = world()

    metrics.count('resent', 'scan', 0)
    metrics.flush()

    expect(lines).toEqual([])
  })

  test('have at most the hundred values that CloudWatch reads from a line, and lose none', () => {
    const { metrics, parsed } = world()

    for (let value = 0; value < 250; value++) metrics.measure('movedBytes', 'replicate', value)
    metrics.flush()

    expect(parsed().map(({ movedBytes }) => movedBytes.length)).toEqual([100, 100, 50])
    expect(parsed().flatMap(({ movedBytes }) => movedBytes)).toEqual(Array.from({ length: 250 }, (_, value) => value))
  })

  test('are not kept where nobody reads them', () => {
    expect(operatorMetrics({})).toBeUndefined()
  })
})
