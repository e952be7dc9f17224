/** `acknowledge`: the message has done its work. `return`: store and queue are down or the job is unknown; let it come again. */
export type Verdict = 'acknowledge' | 'return'
