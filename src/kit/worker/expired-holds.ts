import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { foundState } from '../client/list.js';
import { messageOf } from '../database/message.js';
import type { ExpiredHold, OrphanedHold } from '../workflow/scan.js';
import { eachInTime, ofServer } from './limited.js';
import { hasEndedItself, settle } from './settle.js';

/**
 * What participants hold for transactions that run as workflows, by participant: each yields what should have been confirmed
 * or cancelled by now. It is read twice in a scan, page by page if there may be much.
 */
export type ExpiredHolds = Readonly<Record<string, () => AsyncIterable<ExpiredHold>>>;

/** Orphans that one scan tells of, at most. */
const MOST = 1_000;

/** What a scan found of holds. */
export interface HoldsFound {
  readonly orphaned: readonly OrphanedHold[];
  /** Transactions that are settled because of what is held for them. */
  readonly settled: readonly string[];
  readonly failed: readonly { readonly gid: string; readonly message: string }[];
  readonly unread: readonly { readonly participant: string; readonly message: string }[];
}

/**
 * Looks after what is held for longer than it should be. A transaction whose run was ended from outside is settled: that ends its
 * holds. One that is alive ends them itself, or waits at the desk. What is left is nobody's: it is told, and nothing is done about
 * it, as no program knows what is due.
 *
 * @param beat called after each transaction and each participant that was looked at; what it throws ends the look
 */
export async function lookAfterHolds(client: Client, holds: ExpiredHolds, beat: () => void): Promise<HoldsFound> {
  const orphaned: OrphanedHold[] = [];
  const settled: string[] = [];
  const failed: { gid: string; message: string }[] = [];
  const unread: { participant: string; message: string }[] = [];
  /** Why nobody takes care of a transaction's holds; absent: somebody does. */
  const known = new Map<string, Promise<string | undefined>>();

  const careless = async (gid: string): Promise<string | undefined> => {
    try {
      const verdict = await judge(client, gid);
      if (verdict === 'settled') settled.push(gid);
      return typeof verdict === 'string' ? undefined : verdict.why;
    } catch (error) {
      failed.push({ gid, message: messageOf(error) });
      return undefined;
    } finally {
      beat();
    }
  };
  const whyOf = (gid: string) => {
    const why = known.get(gid) ?? careless(gid);
    known.set(gid, why);
    return why;
  };

  for (const [participant, expired] of Object.entries(holds)) {
    try {
      let isAny = false;
      for await (const { gid } of eachInTime(expired())) isAny = (await whyOf(gid)) !== undefined || isAny;
      // What its transaction has ended since it was read is none: what is read now was there when that had ended.
      for await (const hold of isAny ? eachInTime(expired()) : []) {
        const why = await known.get(hold.gid);
        if (why !== undefined && orphaned.length < MOST) orphaned.push({ participant, ...hold, why });
      }
    } catch (error) {
      unread.push({ participant, message: messageOf(error) });
    }
    beat();
  }
  return { orphaned, settled, failed, unread };
}

type Verdict = 'alive' | 'settled' | { readonly why: string };

async function judge(client: Client, gid: string): Promise<Verdict> {
  try {
    const newest = await ofServer(client.workflow.getHandle(gid).describe());
    if (newest.status.name === 'RUNNING') return 'alive';
    if (hasEndedItself(newest)) {
      return { why: `its transaction has ended, ${foundState(newest)}, and has not ended this` };
    }
    return (await ofServer(settle(client, newest))) ? 'settled' : 'alive';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { why: 'there is no transaction of its id' };
    throw error;
  }
}
