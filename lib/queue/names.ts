/** Which queue a message goes to after too many receives: both lanes of a type share one. Dead letters have none. */
export function deadLetterQueueOf(queue: string): string | undefined {
  return queue.endsWith('-dlq') ? undefined : `${queue.replace(/-bulk$/, '')}-dlq`
}
