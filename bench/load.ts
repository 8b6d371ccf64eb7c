/** Closed-loop load: so many clients, each of which begins its next saga when it has the answer to the last. */

/** What a load measured. */
export interface Load {
  /** From the first start to the last answer. */
  readonly seconds: number;
  /** Of each saga, from its start to its answer. */
  readonly latenciesMs: readonly number[];
}

/**
 * Runs `call` on every item, in order, `clients` at a time. The first error stops it: a benchmark with errors measures
 * nothing.
 */
export async function runLoad<T>(
  items: Iterable<T>,
  clients: number,
  call: (item: T) => Promise<unknown>,
): Promise<Load> {
  const latenciesMs: number[] = [];
  const queue = items[Symbol.iterator]();
  const startedAt = performance.now();
  let failed = false;
  const client = async () => {
    for (let next = queue.next(); next.done !== true && !failed; next = queue.next()) {
      const item = next.value;
      const from = performance.now();
      try {
        await call(item);
      } catch (error) {
        failed = true;
        throw error;
      }
      latenciesMs.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { seconds: (performance.now() - startedAt) / 1000, latenciesMs };
}
