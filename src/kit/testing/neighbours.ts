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

/** What is said of them: a line each. */
export interface Judged {
  readonly wrong: readonly string[];
  /** Those that were undone for an attempt that timed out by itself, as it may on a slow machine. */
  readonly hasty: readonly string[];
}

/**
 * What is wrong with those that shared a group with a transaction. Whatever befalls it they are committed; only the end of
 * the whole group's run, and a deadline that they have too, may undo them, as it may all transactions.
 */
export async function judgeNeighbours({ gids, faults, driver, options, limitMs }: Neighbours): Promise<Judged> {
  const mayBeUndone = faults.some(({ kind }) => /^(terminated|deadline)-/.test(kind));
  const [wrong, hasty]: [string[], string[]] = [[], []];
  await Promise.all(
    gids.map(async (gid) => {
      const say = (list: string[], reason: string) => list.push(`its neighbour ${gid}: ${reason}`);
      const ended = await Promise.race([driver.ended(gid), sleep(limitMs, undefined, { ref: false })]);
      if (ended === undefined) {
        await driver.abandon(gid);
        say(wrong, `it has not ended within ${limitMs} ms`);
        return;
      }
      const reasons = await driver.disagreements(gid, ended);
      reasons.push(...judge(options.steps, { ...ended, effects: await options.effects(gid) }));
      for (const reason of reasons) say(wrong, reason);
      if (ended.state === 'committed' || mayBeUndone) return;
      const { state, message = '' } = ended;
      say(state === 'compensated' && message.includes(': Timeout: ') ? hasty : wrong, `it is ${state}: ${message}`);
    }),
  );
  return { wrong, hasty };
}
