/** Events as tests need them. */

import type { DomainEvent } from '../../lib/events/port.ts'
import type { Json } from '../../lib/glossary.ts'

export const event = (sequence: number, data: Json = { digest: 'sha256:é' }): DomainEvent => ({
  id: `job-1#${sequence}`,
  type: 'job.success',
  subject: 'job-1',
  sequence,
  time: '2026-11-22T12:00:00.000Z',
  tenant: 'default',
  data,
})
