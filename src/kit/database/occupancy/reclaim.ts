import { messageOf } from '../message.js';
import { isConnectionLost } from '../sqlstate.js';
import type { DuePlace, Occupancy, OccupiedRow } from './occupancy.js';

/**
 * Reclaiming: the compensation of what was occupied for too long. Of each that is due the other database is asked first, and by being
 * asked it *bars* it: what waits there to be paid is cancelled, and what has not come there can never come. Only after that has been
 * committed are the units released here. What is paid there already is consumed instead.
 *
 * So a process that was paused between the two databases, for however long, finds its submit refused when it wakes; it cannot be that
 * its units are somebody else's by then and its order stands. A reclaim that dies between the bar and the release leaves what the
 * next one bars again, which changes nothing, and releases.
 */

/** What the other database says of each, when it has barred what is not paid. */
export type BarAnswer = 'barred' | 'paid';

/** Options of {@link reclaimDue}. */
export interface ReclaimOptions {
  /**
   * Bars these in the other database, and resolves when that is committed. One that is absent from the answer counts as failed. It is
   * called again for each by itself where it throws for many.
   */
  readonly bar: (rows: readonly OccupiedRow[]) => Promise<ReadonlyMap<string, BarAnswer>>;
  /** Behind this place. Default: from the oldest */
  readonly after?: DuePlace;
  /** How many it looks at. Default: 500 */
  readonly batch?: number;
  /** Called before each part of the work; what it throws ends it. */
  readonly beat?: () => void;
}

/** What one batch came to. */
export interface ReclaimedBatch {
  /** How many were due. */
  readonly due: number;
  /** Ids whose units are free again. */
  readonly released: string[];
  /** Ids that had been paid. */
  readonly consumed: string[];
  /** What could not be reclaimed: it is due still, and the next look finds it. */
  readonly failed: { readonly pool: string; readonly id: string; readonly message: string }[];
  /** There may be more behind this place. */
  readonly next?: DuePlace;
}

/** Reclaims one batch of what is due. What fails for one stops no other. @throws if one of the databases cannot be reached */
export async function reclaimDue(
  occupancy: Occupancy,
  { bar, after, batch = 500, beat = () => undefined }: ReclaimOptions,
): Promise<ReclaimedBatch> {
  const { rows, next } = await occupancy.due(after, batch);
  const failed = new Map<string, { pool: string; id: string; message: string }>();
  const fail = ({ pool, id }: OccupiedRow, error: unknown) => {
    failed.set(id, { pool, id, message: messageOf(error) });
  };
  /** All in one go; where that fails, each by itself. */
  const all = async (some: readonly OccupiedRow[], work: (these: readonly OccupiedRow[]) => Promise<void>) => {
    if (some.length === 0) return;
    beat();
    try {
      await work(some);
    } catch (error) {
      // A database that is gone is gone for each of them.
      if (isConnectionLost(error)) throw error;
      if (some.length === 1 && some[0] !== undefined) {
        fail(some[0], error);
        return;
      }
      for (const one of some) await all([one], work);
    }
  };

  const answers = new Map<string, BarAnswer>();
  await all(rows, async (these) => {
    const barred = await bar(these);
    for (const row of these) {
      const answer = barred.get(row.id);
      if (answer === undefined) fail(row, new Error('the other database has no answer'));
      else answers.set(row.id, answer);
    }
  });

  const ended: Record<'released' | 'consumed', string[]> = { released: [], consumed: [] };
  const moved = (these: readonly OccupiedRow[], now: ReadonlyMap<string, OccupiedRow>, to: 'released' | 'consumed') => {
    for (const row of these) {
      const state = now.get(row.id)?.state;
      if (state === to) ended[to].push(row.id);
      else fail(row, new Error(`it is ${state ?? 'gone'}, and should be ${to}: a person has to look at it`));
    }
  };
  const ofAnswer = (answer: BarAnswer) => rows.filter(({ id }) => answers.get(id) === answer);
  await all(ofAnswer('paid'), async (these) => {
    moved(these, await occupancy.consume(these.map(({ id }) => id)), 'consumed');
  });
  const barred = ofAnswer('barred');
  for (const pool of new Set(barred.map((row) => row.pool))) {
    const these = barred.filter((row) => row.pool === pool);
    await all(these, async (some) => {
      const ids = some.map(({ id }) => id);
      moved(some, await occupancy.release(pool, ids), 'released');
    });
  }
  return { due: rows.length, ...ended, failed: [...failed.values()], ...(next && { next }) };
}
