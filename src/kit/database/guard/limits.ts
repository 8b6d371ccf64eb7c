import type { Operation } from '../../workflow/branch.js';
import { NotBegun } from '../not-begun.js';

/** The SQL transaction ends before the attempt does, and waits for a lock for half of that at most; milliseconds. */
export function limitsOf({ timeoutMs }: Pick<Operation, 'timeoutMs'>): [string, string] {
  const transaction = Math.max(Math.floor(timeoutMs * 0.8), 2);
  return [String(transaction), String(Math.floor(transaction / 2))];
}

/** Begins to count an attempt's time. @returns what is left of it, in milliseconds, or throws {@link NotBegun}, whenever it is called */
export function stopwatch({ gid, branch, op, timeoutMs }: Operation): () => number {
  return countdown(timeoutMs, `${op} of branch '${branch}' in ${gid}`);
}

/** The same for anything that is begun, by what it is. */
export function countdown(timeoutMs: number, what: string): () => number {
  const began = performance.now();
  return () => {
    const left = timeoutMs - (performance.now() - began);
    // Whoever asked has given up, or will before an answer can reach it.
    if (left < timeoutMs / 10) {
      throw new NotBegun(`${what} is not begun: ${Math.round(left)} of its ${timeoutMs} ms are left: try again`);
    }
    return left;
  };
}
