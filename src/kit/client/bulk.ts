import type { Client } from '@temporalio/client';
import type { DeskOrder } from '../workflow/desk.js';
import { countDesk, listDesk, type DeskFilter, type StuckTransaction } from './desk.js';
import { OrderRefused, TransactionNotFound, WorkerSilent } from './errors.js';
import { decide } from './operate.js';

/** Working the desk in bulk. */

/** What a person decides of every branch that is found. */
export type BulkOrder = Omit<DeskOrder, 'branch'>;

/** What came of a decision about many. */
export interface BulkReport {
  /** Transactions that it came to. */
  readonly transactions: number;
  /** Branches of which it was decided. */
  readonly decided: number;
  /** Branches of which it was not, by why. */
  readonly refused: Readonly<Record<string, number>>;
  /** What ended it before it had come to all; what it had decided by then stays so. */
  readonly stopped?: Error;
  /** The first of these. */
  readonly failures: readonly { readonly gid: string; readonly branch: string; readonly message: string }[];
}

const MAX_FAILURES = 10;
/** Decisions under way at a time: each is a task of a worker. */
const CONCURRENCY = 20;

/** The first of what a filter finds, and how many there are. */
export async function previewDesk(
  client: Client,
  filter: DeskFilter,
  limit: number,
): Promise<{ total: number; first: StuckTransaction[] }> {
  const total = await countDesk(client, filter);
  const first: StuckTransaction[] = [];
  for await (const stuck of listDesk(client, filter)) {
    if (first.length === limit) break;
    first.push(stuck);
  }
  return { total, first };
}

/**
 * Decides the same about every branch that a filter finds, so many at a time, in memory that does not grow with their
 * number. One that is refused does not keep the others from being decided; where the server is gone it ends, and tells
 * what was done until then.
 *
 * @param options `onTransaction` is told after each; `signal`: no further one is begun
 */
export async function decideMany(
  client: Client,
  filter: DeskFilter,
  order: BulkOrder,
  { onTransaction, signal }: { onTransaction?: () => void; signal?: AbortSignal } = {},
): Promise<BulkReport> {
  let transactions = 0;
  let decided = 0;
  const refused: Record<string, number> = {};
  const failures: { gid: string; branch: string; message: string }[] = [];
  const found = listDesk(client, filter);
  let stopped: Error | undefined;

  const decideOne = async (gid: string, branch: string): Promise<void> => {
    try {
      await decide(client, gid, { ...order, branch });
      decided++;
    } catch (error) {
      const known = [OrderRefused, TransactionNotFound, WorkerSilent].some((kind) => error instanceof kind);
      if (!(error instanceof Error)) throw error;
      if (!known) {
        stopped ??= error;
        return;
      }
      refused[error.name] = (refused[error.name] ?? 0) + 1;
      if (failures.length < MAX_FAILURES) failures.push({ gid, branch, message: error.message });
    }
  };
  const lane = async (): Promise<void> => {
    for (;;) {
      if (signal?.aborted === true || stopped !== undefined) return;
      const next = await found.next();
      if (next.done === true) return;
      const { gid, branches } = next.value;
      for (const branch of branches) {
        if (filter.branch === undefined || branch === filter.branch) await decideOne(gid, branch);
      }
      transactions++;
      onTransaction?.();
    }
  };
  const lanes = Array.from({ length: CONCURRENCY }, () =>
    lane().catch((error: unknown) => {
      stopped ??= error instanceof Error ? error : new Error(String(error));
    }),
  );
  await Promise.all(lanes);
  return { transactions, decided, refused, failures, ...(stopped !== undefined && { stopped }) };
}
