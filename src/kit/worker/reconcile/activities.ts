import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { compensationLog } from '../../database/log/store.js';
import type { Pair } from '../../database/reconcile/pair.js';
import type { Database } from '../../database/sql.js';
import type { PairOrder, ReconcileActivities } from '../../workflow/reconcile/reconcile.js';
import type { ParticipantDatabases } from '../adopt.js';
import { distinctOf } from '../read-all.js';
import { comparePair } from './compare.js';
import { openCases } from './desk.js';
import { judgeKeys, withoutSettled, type Judging } from './judge.js';
import { naming, reachSides } from './reachable.js';
import { repairFindings } from './repair.js';

/** Options of {@link reconcileActivities}. */
export interface ReconcileOptions {
  /** All pairs that there are. @throws where two have a name, or a class, in common */
  readonly pairs: readonly Pair[];
  /** The participants' databases: in them it is looked whether a transaction is on its way. */
  readonly databases: ParticipantDatabases;
  /** The operations database, if there is one: what persons have decided it knows for longer than the server. It need not be reachable. */
  readonly operations?: Database;
}

/** How often an activity that waits for a database gives a sign of life, in milliseconds. */
const BEAT_MS = 5_000;

/** The activities behind the workflows `reconcile` and `reconcileDesk`. */
export function reconcileActivities({ pairs, databases, operations }: ReconcileOptions): ReconcileActivities {
  const known = new Map(pairs.map((pair) => [pair.name, pair]));
  const classes = pairs.flatMap((pair) => Object.keys(pair.classes));
  const twice = [...pairs.map(({ name }) => name), ...classes].find((name, place, all) => all.indexOf(name) !== place);
  if (twice !== undefined) throw new RangeError(`two pairs, or two classes of drift, have the name '${twice}'`);
  const log = operations && compensationLog(operations);
  const home = [...distinctOf(databases).values()];

  const pairOf = (name: string): Pair => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const names = [...known.keys()].join(', ');
    throw ApplicationFailure.nonRetryable(`there is no pair '${name}': the worker has ${names}`, 'InvalidInput');
  };
  const judging = ({ youngMs, asked }: Pick<PairOrder, 'youngMs' | 'asked'>): Judging => {
    const { client, cancellationSignal: signal } = Context.current();
    return { client, databases: home, youngMs, signal, asked, ...(log && { log }) };
  };

  return {
    'backstitch.reconcilePairs': (names) =>
      Promise.resolve((names?.map(pairOf) ?? pairs).map(({ name, what }) => ({ name, what }))),
    'backstitch.comparePair': (order) =>
      beating(async (beat) => {
        const pair = pairOf(order.pair);
        await reachSides(pair, databases);
        return naming(databases, async () => {
          const compared = await comparePair(pair, order, { ...judging(order), beat });
          return withoutSettled(pair, compared, judging(order));
        });
      }),
    'backstitch.judgePair': (order, keys) =>
      beating(() =>
        naming(databases, async () => {
          const judged = await judgeKeys(pairOf(order.pair), keys, judging(order));
          return withoutSettled(pairOf(order.pair), judged, judging(order));
        }),
      ),
    'backstitch.repairDrift': ({ pair, findings, actor, reason, ...order }) =>
      beating(() => repairFindings(pairOf(pair), findings, { actor, reason }, judging(order))),
    'backstitch.openDriftCases': (findings, most, youngMs) => {
      const { client, info } = Context.current();
      return beating(() =>
        openCases(findings, most, { client, taskQueue: info.taskQueue, youngMs, ...(log && { log }) }),
      );
    },
  };
}

/** Gives signs of life until the work has ended; each repeats what it has got to. */
async function beating<T>(work: (beat: (details: unknown) => void) => Promise<T>): Promise<T> {
  const context = Context.current();
  let details: unknown = context.info.heartbeatDetails;
  const beat = (reached: unknown) => {
    details = reached;
    context.heartbeat(details);
  };
  const timer = setInterval(() => {
    context.heartbeat(details);
  }, BEAT_MS);
  try {
    return await work(beat);
  } finally {
    clearInterval(timer);
  }
}
