/** Which messages of a batch are done, by the function's answer and the rules of Lambda. */

/**
 * The ids that failed. Without partial answers an invocation that returned has done them all. With them, no list, an
 * empty or a null one means that all are done; an identifier that is empty, null, misnamed or of no message in the
 * batch means that all failed ("Reporting batch item failures", success and failure conditions).
 */
export function failedIds(answer: unknown, batchIds: string[], partialAnswers: boolean): Set<string> {
  if (!partialAnswers || answer === undefined || answer === null || answer === '') return new Set()
  const all = new Set(batchIds)
  if (typeof answer !== 'object') return all
  const list = 'batchItemFailures' in answer ? answer.batchItemFailures : undefined
  if (list === undefined || list === null) return new Set()
  if (!Array.isArray(list)) return all
  const failed = new Set<string>()
  for (const item of list as unknown[]) {
    const id = typeof item === 'object' && item !== null && 'itemIdentifier' in item ? item.itemIdentifier : undefined
    if (typeof id !== 'string' || !all.has(id)) return all
    failed.add(id)
  }
  return failed
}
