import type { Operation } from '../../kit/database/index.js';

/**
 * The operation that ends a hold which its transaction has forgotten: the transaction's own, under its gid and branch, so that what is
 * still on its way of it, and whoever repairs it a second time, meets the guard's row.
 */
export function endHold(
  operation: Operation,
  { gid, branch, op }: Pick<Operation, 'gid' | 'branch' | 'op'>,
): Operation {
  // What it was asked with may be known no more: the row of the try tells what it was.
  return { ...operation, gid, branch, op, scheme: 'tcc', corrected: true };
}
