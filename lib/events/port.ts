/**
 * Where finished work is announced. Handed over at least once; `id` is the same at every delivery, so that a receiver
 * can drop doubles, and `sequence` rises per subject, so that it can drop what came late.
 */
import type { Json } from '../glossary.ts'

export interface DomainEvent {
  /** `<subject>#<sequence>` */
  id: string
  /** `job.success`, `job.error`, `job.stopped`, `job.canceled`; `image.findings.changed` */
  type: string
  /** The job's id, or the image's digest. */
  subject: string
  sequence: number
  /** ISO 8601 */
  time: string
  tenant: string
  data: Json
}

export interface Events {
  /** Hands over all of them or throws; after a throw some may have been handed over. */
  put(events: DomainEvent[]): Promise<void>
}
