import type { Adopted, Announced, Fate, Opened, Promotion, Standing, StartOrder } from '../../workflow/fate.js';
import type { CauseNote } from '../../workflow/failure.js';
import { fromJson, toLog } from '../guard/json.js';
import { limitsOf } from '../guard/limits.js';
import type { Database, Sql } from '../sql.js';
import { Ends } from './ends.js';
import { fateToJson } from './fate.js';
import * as statements from './statements.js';

/**
 * The announcements of one participant's database: transactions that began there and are driven outside Temporal.
 *
 * States of an announcement: none → `running` (with the first step's guard row, in its SQL transaction) → gone with a fate
 * (committed), or → `undoing` → gone with a fate (compensated). Its owner is the call that made it, until a workflow takes
 * it over; from then on the workflow, to the end. Where no step was there yet, a workflow may put the announcement first.
 *
 * Invariant: whoever decides (to commit, to undo) changes the row in the same statement, naming itself as the owner. So
 * there is one decision, and everybody else learns that it was not theirs.
 *
 * `timeoutMs`: how long a statement may take with its connection, in milliseconds; by default 8,000. It waits for a lock for
 * less than that.
 */
export interface Announcements {
  /** Leaves what a group has opened to a relay, at once. Nothing, if it is announced here, or has ended. */
  announce(gid: string, start: StartOrder): Promise<void>;
  /** Commits, or ends the undo: `false` if somebody else drives the transaction. A result that cannot be stored is left out. */
  end(
    gid: string,
    owner: string,
    state: Announced['state'] | undefined,
    fate: Fate,
    timeoutMs?: number,
  ): Promise<boolean>;
  /** A workflow that has taken it over gives it up, with nothing left and nothing decided: the gid is another's. */
  giveUp(gid: string): Promise<void>;
  /** Decides to undo: `false` if somebody else drives the transaction. */
  undo(gid: string, owner: string, cause: CauseNote, timeoutMs?: number): Promise<boolean>;
  /**
   * Gives the transaction to a workflow, which the caller then starts: `false` if somebody else drives it.
   *
   * @param startMs after so long a relay starts it, in milliseconds
   */
  handOver(gid: string, owner: string, timeoutMs?: number, startMs?: number): Promise<boolean>;
  /**
   * A workflow takes the transaction for itself, whoever drove it.
   *
   * @param own what the workflow is itself, as far as it is known: nothing is taken over that was begun as something else
   * @param run its run, whose end will be the transaction's
   */
  adopt(gid: string, own?: Own, run?: string): Promise<Adopted>;
  /** Takes over transactions whose drivers are silent: each is then to be started as a workflow. */
  takeOver(limit: number): Promise<TakenOver[]>;
  /**
   * Takes over one by hand, however its driver is, and keeps who did it. Nothing, if it is not announced here; the owner
   * alone, if a workflow has it already.
   */
  promote(
    gid: string,
    promotion: Promotion,
  ): Promise<{ readonly owner: string; readonly taken?: TakenOver } | undefined>;
  /** How a transaction stands here. */
  look(gid: string, timeoutMs?: number): Promise<Standing>;
}

/** What tells a transaction from another one under the same gid. */
export type Own = Partial<Pick<StartOrder, 'transaction' | 'inputHash'>>;

/** A transaction that was taken over. */
export interface TakenOver {
  readonly gid: string;
  /** Absent: a workflow has it from its beginning. */
  readonly start?: StartOrder;
}

/** How long after a workflow was started for it an announcement is looked at again, in milliseconds. */
export const LOOK_AGAIN_MS = 10_000;
/** Limits of a workflow's taking over, in milliseconds: it may wait for a first step in flight. */
const ADOPT_MS = 8_000;
/** Limit of every other statement, in milliseconds, where the caller sets none. */
const STATEMENT_MS = 8_000;

/** A lock is waited for less long than the answer. */
function lockMs(timeoutMs: number): string {
  return limitsOf({ timeoutMs })[0];
}

/** The announcements of a database; the guard's migrations have made their table. */
export function announcementsOf(db: Database): Announcements {
  const ends = new Ends(db);
  const taken = ({ gid, start }: { gid: string; start: string | null }) => ({
    gid,
    ...(start !== null && { start: JSON.parse(start) as StartOrder }),
  });
  return {
    async announce(gid, start) {
      await db.run(statements.announceOpened, [gid, toLog(start)], STATEMENT_MS);
    },
    async end(gid, owner, state, fate, timeoutMs = STATEMENT_MS) {
      return ends.end([gid, owner, state ?? null, fateToJson(fate)], timeoutMs);
    },
    async giveUp(gid) {
      await db.run(statements.giveUp, [gid]);
    },
    async undo(gid, owner, cause, timeoutMs = STATEMENT_MS) {
      const values = [gid, owner, lockMs(timeoutMs), toLog(cause)];
      return (await db.run(statements.undo, values, timeoutMs)).length > 0;
    },
    async handOver(gid, owner, timeoutMs = STATEMENT_MS, startMs = LOOK_AGAIN_MS) {
      const values = [gid, owner, startMs, lockMs(timeoutMs)];
      return (await db.run(statements.handOver, values, timeoutMs)).length > 0;
    },
    adopt: (gid, own = {}, run) => adopt(db, gid, own, run),
    async takeOver(limit) {
      const values = [limit, LOOK_AGAIN_MS];
      return (await db.run<Parameters<typeof taken>[0]>(statements.takeOver, values, STATEMENT_MS)).map(taken);
    },
    promote: (gid, promotion) => promote(db, gid, promotion),
    async look(gid, timeoutMs = STATEMENT_MS) {
      const [row] = await db.run<LookRow>(statements.look, [gid], timeoutMs);
      if (row === undefined) return {};
      const { owner, state, run, transaction, inputHash, driver, outcome, fate } = row;
      const of = transaction === null || inputHash === null ? undefined : { transaction, inputHash };
      return {
        ...(owner !== null && state !== null && { announced: { owner, state, of, ...(run !== null && { run }) } }),
        ...(driver !== null && { driver }),
        ...(outcome === 'rejected' && { rejected: true as const }),
        ...(fate !== null && { fate: fromJson(fate) as Fate | Opened }),
      };
    },
  };
}

interface LookRow {
  readonly owner: string | null;
  readonly state: Announced['state'] | null;
  readonly run: string | null;
  readonly transaction: string | null;
  readonly inputHash: string | null;
  readonly driver: string | null;
  readonly outcome: string | null;
  readonly fate: string | null;
}

/** Another transaction is under way: what was written to take it over goes. */
class Other extends Error {}

async function adopt(db: Database, gid: string, own: Own, run: string | undefined): Promise<Adopted> {
  try {
    return await db.transaction((sql) => adoptWithin(sql, gid, own, run), ADOPT_MS);
  } catch (error) {
    if (error instanceof Other) return { conflict: true };
    throw error;
  }
}

async function adoptWithin(sql: Sql, gid: string, own: Own, run: string | undefined): Promise<Adopted> {
  type Row = { state: Announced['state']; beganAt: number; cause: string | null; promoted?: string | null } & {
    readonly [Part in keyof Own]-?: string | null;
  };
  const limits = [String(ADOPT_MS), String(ADOPT_MS / 2)];
  const [announced] = await sql<Row>(statements.adopt, [gid, LOOK_AGAIN_MS, ...limits, run ?? null]);
  if (announced === undefined) throw new Error(`${gid} could not be taken over: no row came back`);
  const [grouped] = await sql<Row>(statements.adoptFromGroup, [gid]);
  // In a statement of its own: the end that those before may have waited for is seen by it.
  const [ended] = await sql<{ fate: string }>(statements.fateOf, [gid]);
  if (ended !== undefined) {
    await sql(statements.withdraw, [gid]);
    return { fate: fromJson(ended.fate) as Fate };
  }
  for (const part of ['inputHash', 'transaction'] as const) {
    for (const found of [announced[part], grouped?.[part] ?? null]) {
      if (found !== null && own[part] !== undefined && found !== own[part]) throw new Other();
    }
  }
  const { promoted = null } = announced;
  const undone = [announced, grouped].find((row) => row?.state === 'undoing');
  return {
    state: undone === undefined ? 'running' : 'undoing',
    ...(undone?.cause != null && { cause: JSON.parse(undone.cause) as CauseNote }),
    beganAt: Math.min(announced.beganAt, grouped?.beganAt ?? Infinity),
    ...(promoted !== null && { promoted: JSON.parse(promoted) as Promotion }),
  };
}

async function promote(db: Database, gid: string, promotion: Promotion) {
  return db.transaction(async (sql) => {
    const [row] = await sql<{ owner: string; start: string | null }>(statements.announced, [gid]);
    if (row === undefined) return undefined;
    const { owner } = row;
    const start = row.start === null ? undefined : (JSON.parse(row.start) as StartOrder);
    if (start === undefined) return { owner };
    const { actor, reason, at } = start.promoted ?? {};
    if (owner === 'workflow') {
      // The same order again: whether it was started is not known.
      const same = actor === promotion.actor && reason === promotion.reason && at === promotion.at;
      return { owner, ...(same && { taken: { gid, start } }) };
    }
    const promoted: StartOrder = { ...start, promoted: promotion };
    await sql(statements.promote, [gid, LOOK_AGAIN_MS, toLog(promoted)]);
    return { owner, taken: { gid, start: promoted } };
  }, ADOPT_MS);
}
