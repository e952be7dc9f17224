/**
 * Queues in our words. A message is only a hint ("look at this job"): it may come twice, late, out of order or never,
 * because the job record is the truth and the sweep re-sends what got lost.
 */
export interface Message {
  /** JSON, a few hundred bytes: ids only, never a parameter or a credential. */
  body: string
  /** 0..900, the limit of SQS. */
  delaySeconds?: number
  /** Fair delivery between groups on a standard queue (SQS MessageGroupId): tenant or execution. */
  group?: string
}

export interface QueueDepth {
  waiting: number
  inFlight: number
  delayed: number
}

/** What the application does with queues. Names are `<type>`, `<type>-bulk`, `<type>-dlq`, `fan-out`, `fan-out-dlq`. */
export interface Queue {
  /** Sends all, ten to a call. Throws LongshoreError `queue-unavailable`; then some may have been sent. */
  send(queue: string, messages: Message[]): Promise<void>
  depth(queue: string): Promise<QueueDepth>
}

/** How a queue is set up, as far as the job protocol relies on it. */
export interface QueueSettings {
  /** How long a received message is hidden from others: a run must end within it. */
  visibilitySeconds: number
  /** Where messages go that were received so often in vain; absent on dead-letter queues. */
  deadLetters?: { queue: string; afterReceives: number }
  /** The clock of the service when it answered, milliseconds since the epoch, exact to a second; absent if it did not say. */
  answeredAt?: number
}

/** For the self-check. */
export interface QueueSetup {
  /** Undefined when there is no such queue. Throws LongshoreError `queue-unavailable`. */
  settings(queue: string): Promise<QueueSettings | undefined>
}

export interface ReceivedMessage {
  messageId: string
  /** Names this one receipt; a later receipt of the same message has another. */
  receipt: string
  body: string
  receiveCount: number
  group?: string
}

/** What the platform does with queues (Lambda's event source in the cloud, our pollers locally). */
export interface QueueConsumer {
  /** Waits up to `waitSeconds` (0..20) for up to `max` (1..10) messages. */
  receive(
    queue: string,
    options: { max: number; waitSeconds: number; signal?: AbortSignal },
  ): Promise<ReceivedMessage[]>
  remove(queue: string, receipt: string): Promise<void>
  /** Makes a received message visible again after so many seconds (0: at once). */
  giveBack(queue: string, receipt: string, afterSeconds: number): Promise<void>
}
