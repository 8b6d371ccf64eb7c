import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { DirectLane, DirectOrder, Driven } from '../client/direct.js';
import { announcementsOf, type Announcements } from '../database/announcement/announcements.js';
import { isStorable } from '../database/guard/json.js';
import type { Database } from '../database/sql.js';
import { MetDriver, TransactionStopped } from '../workflow/failure.js';
import type { Announced, Fate, StartOrder } from '../workflow/fate.js';
import { wrongSagaOption } from '../workflow/saga/options.js';
import { describeReport } from '../workflow/saga/report.js';
import { SagaRun, type SagaOutcome } from '../workflow/saga/run.js';
import type { SagaWorkflow } from '../workflow/saga/workflow.js';
import { DirectDriver, HandOver } from './driver.js';
import { functionsOf, type ParticipantImplementation } from './participants.js';

/** Options of {@link directLane}. */
export interface DirectLaneOptions {
  /** The sagas that this process may drive, under the names of their workflows. */
  readonly sagas: Readonly<Record<string, SagaWorkflow<never, unknown>>>;
  /** The participants, as the worker has them. */
  readonly participants: Readonly<Record<string, ParticipantImplementation>>;
  /** Each participant's database: the one that its guard writes to. Participants without one may not come first. */
  readonly databases: Readonly<Record<string, Database>>;
  /** Who does the work, for the guards' rows. Default: the process and its machine. */
  readonly who?: string;
  /** After so long a worker takes over what this process has begun and not ended, in milliseconds. Default: 10,000 */
  readonly takeOverMs?: number;
  /** A call that takes longer is given to a workflow, in milliseconds. Default: 2,000 */
  readonly callMs?: number;
  /** Told of each transaction that was given to a workflow, with why. */
  readonly onHandOver?: (gid: string, why: Error) => void;
}

/**
 * The direct lane: this process drives sagas itself, by calls of its participants' functions; Temporal takes over on
 * trouble. The journal is what the participants' databases hold anyway, and one row more, the *announcement*.
 *
 * The protocol, between this process, relays in workers, and the workflow of the transaction:
 *
 * 1. The SQL transaction of the first step that is applied also writes the announcement into the same database: the gid
 *    (its key), what starts the workflow, the owner (fresh for each call), and when a relay takes over. If either key is
 *    taken, nothing of it commits: somebody else has the transaction, and the caller follows.
 * 2. Steps run one after the other, each guarded. When all are done one statement, which names its owner, deletes the
 *    announcement and writes *fate* and result onto the first step's guard row: that is the commit.
 * 3. A step that is rejected: an update of the announcement to `undoing`, which names its owner, is the decision to undo.
 *    Then the undo runs, then the final statement with the failure. Where nothing was applied nothing was announced: the
 *    stored rejection is the answer to everybody.
 * 4. Anything unknown, slow or failing, and what a process cannot do (wait for a person): the announcement is given to
 *    `workflow`, and the saga's workflow is started under the same gid. A process that dies does the same by its silence:
 *    a relay takes over what is due. A workflow first takes the announcement for itself by upsert, which waits for a first
 *    step in flight and fences one that comes later.
 * 5. Whoever decides wins the announcement's row in the same statement. A process that was paused and wakes may make one
 *    more call; the guard's stored rejections and bars make that harmless, and its next decision tells it that it is not
 *    the owner: then it follows the other.
 *
 * Invariant: one decision per gid, made by the announcement's owner; every step has its effect once if it is committed, and
 * none if it is compensated. It is checked exhaustively in test/kit/direct/model.
 */
export function directLane(options: DirectLaneOptions): DirectLane {
  const { who = `${process.pid}@${hostname()}`, takeOverMs = 10_000, callMs = 2_000, onHandOver } = options;
  const functions = functionsOf(options.participants);
  const announcements = new Map<string, Announcements>();
  for (const [participant, database] of Object.entries(options.databases)) {
    announcements.set(participant, announcementsOf(database));
  }
  return {
    async drive(order) {
      const { gid, start } = order;
      const saga = options.sagas[start.transaction];
      if (saga === undefined) {
        throw new TypeError(`the direct lane of this process has no saga '${start.transaction}': give it in 'sagas'`);
      }
      const { definition } = saga as unknown as SagaWorkflow<unknown, unknown>;
      const call = { ...definition.options, ...order.overrides };
      const wrong = wrongSagaOption(call);
      if (wrong !== undefined) throw new TypeError(wrong);
      const { deadline } = call;
      // A workflow that takes over has exactly the input that is announced: the body cannot reach it, and has one like it.
      const text = JSON.stringify(start);
      if (!isStorable(text)) {
        const why = new HandOver('its input or its summary holds a zero character or half of a surrogate pair');
        onHandOver?.(gid, why);
        return { how: 'not-begun', why };
      }
      const { input } = JSON.parse(text) as StartOrder;
      const driver = new DirectDriver({
        ...{ gid, start: text, who, takeOverMs, callMs, owner: `direct:${randomUUID()}` },
        deadlineMs: deadline === undefined ? undefined : msToNumber(deadline),
        overdue: `not past its pivot within ${typeof deadline === 'number' ? `${deadline} ms` : (deadline ?? '')}`,
        functionOf: (name) => functions.get(name),
        announcementsOf: (participant) => announcements.get(participant),
        onUndoing: order.onUndoing ?? (() => undefined),
      });
      const run = new SagaRun<unknown, unknown>(driver, call);
      driver.breakOff = (why) => {
        run.breakOff(why);
      };
      try {
        const outcome = await run.execute(definition.body, input);
        return await conclude(driver, run, outcome, order);
      } catch (error) {
        if (error instanceof MetDriver) {
          const driven = await leaveTo(driver, error);
          if (driven.how === 'handed-over') onHandOver?.(gid, driven.why);
          return driven;
        }
        const why = error instanceof Error ? error : new Error(String(error));
        onHandOver?.(gid, why);
        return await handOver(driver, why);
      } finally {
        driver.stop();
      }
    },
    async look(home, gid) {
      const at = announcements.get(home);
      if (at === undefined) throw new TypeError(`the direct lane of this process has no database of '${home}'`);
      return at.look(gid);
    },
  };
}

/** Decides how the transaction ends, if that is this driver's to decide. */
async function conclude(
  driver: DirectDriver,
  { report }: Pick<SagaRun<unknown, unknown>, 'report'>,
  outcome: SagaOutcome<unknown>,
  { start }: DirectOrder,
): Promise<Driven> {
  const { transaction, inputHash } = start;
  const from = { transaction, inputHash, lane: 'direct' };
  if (outcome.committed) {
    const result = asStored(outcome.result, start);
    return end(driver, 'running', { ...from, state: 'committed', result });
  }
  if (!driver.announced && outcome.cause instanceof TransactionStopped) {
    throw new HandOver(`nothing is stored that says so to another caller: ${outcome.cause.message}`);
  }
  if (report?.state !== 'compensated') {
    throw new HandOver(`it can neither be completed nor undone: ${report?.cause.message ?? ''}`);
  }
  const message = describeReport(report);
  return end(driver, 'undoing', { ...from, state: 'compensated', report, message });
}

async function end(driver: DirectDriver, state: Announced['state'], fate: Fate): Promise<Driven> {
  const { gid, owner, announced, announcements, home } = driver;
  // Nothing was applied: what is stored answers everybody alike.
  if (!announced || announcements === undefined || home === undefined) return { how: 'ended', fate };
  let won: boolean;
  try {
    won = await announcements.end(gid, owner, state, fate);
  } catch (error) {
    throw new HandOver(`whether it has ended is not known: ${String(error)}`, error);
  }
  return won ? { how: 'ended', fate } : { how: 'elsewhere', home };
}

/**
 * Another driver was met. Whoever has what this one had announced is followed; if nobody has, it has met another transaction
 * under its gid: what it has done so far a workflow undoes.
 */
async function leaveTo(driver: DirectDriver, { home, fate, message }: MetDriver): Promise<Driven> {
  if (driver.announced && (fate === undefined || home !== driver.home)) return handOver(driver, new HandOver(message));
  return { how: 'elsewhere', home, fate };
}

/** Gives the transaction to a workflow, which its caller starts. Where that cannot be written the workflow takes it. */
async function handOver(driver: DirectDriver, why: Error): Promise<Driven> {
  const { gid, owner, announced, announcements, home } = driver;
  // No step was ever asked for.
  if (home === undefined || announcements === undefined) return { how: 'not-begun', why };
  if (announced) {
    const won = await announcements.handOver(gid, owner).catch(() => true);
    if (!won) return { how: 'elsewhere', home };
  }
  return { how: 'handed-over', home, announced, why };
}

/** A result as JSON carries it, as a workflow's would be. @throws {@link HandOver} for one that cannot be stored */
function asStored(result: unknown, { transaction }: StartOrder): unknown {
  try {
    return result === undefined ? undefined : JSON.parse(JSON.stringify(result));
  } catch (error) {
    throw new HandOver(`JSON does not carry the result of ${transaction}: ${String(error)}`, error);
  }
}
