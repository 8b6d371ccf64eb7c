/** Promises of a saga's run that end as nobody expects of one. */

/** Turns of the queue of promises in which a body begins what follows. */
export const QUIET_TURNS = 20;

/** What waits for it never goes on. */
export function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** A rejection that need not be handled. */
export function rejected(error: Error): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(ignore);
  return promise;
}

/** What is to be known of it is in the ledger. */
export function ignore(): void {
  // Nobody waits for it.
}
