import { setTimeout as sleep } from 'node:timers/promises';
import type { TransactionDriver } from './driver.js';
import type { MatrixFault } from './faults.js';
import type { MatrixOptions } from './options.js';
import { judge } from './result.js';

/** How many of a case's group nothing befalls. */
export const NEIGHBOURS = 1;

/** What {@link judgeNeighbours} needs. */
export interface Neighbours {
  readonly gids: readonly string[];
  readonly faults: readonly MatrixFault[];
  readonly driver: TransactionDriver;
  readonly options: Pick<MatrixOptions, 'steps' | 'effects'>;
  readonly limitMs: number;
}

/**
 * What is wrong with those that shared a group with a transaction: a line each. Whatever befalls it they are committed; only
 * the end of the whole group's run, and a deadline that they have too, may undo them, as it may all transactions.
 */
export async function judgeNeighbours({ gids, faults, driver, options, limitMs }: Neighbours): Promise<string[]> {
  const mayBeUndone = faults.some(({ kind }) => /^(terminated|deadline)-/.test(kind));
  const judged = await Promise.all(
    gids.map(async (gid) => {
      const ended = await Promise.race([driver.ended(gid), sleep(limitMs, undefined, { ref: false })]);
      if (ended === undefined) {
        await driver.abandon(gid);
        return [`it has not ended within ${limitMs} ms`];
      }
      const reasons = await driver.disagreements(gid, ended);
      reasons.push(...judge(options.steps, { ...ended, effects: await options.effects(gid) }));
      if (ended.state !== 'committed' && !mayBeUndone) reasons.push(`it is ${ended.state}: ${ended.message ?? ''}`);
      return reasons.map((reason) => `its neighbour ${gid}: ${reason}`);
    }),
  );
  return judged.flat();
}
