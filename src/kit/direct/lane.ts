import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { DirectLane, DirectOrder, Driven } from '../client/direct-lane.js';
import { announcementsOf, type Announcements } from '../database/announcement/announcements.js';
import type { Database } from '../database/sql.js';
import { beyondServer } from '../workflow/carried.js';
import { MetDriver, TransactionStopped } from '../workflow/failure.js';
import type { Announced, Fate, Standing, StartOrder } from '../workflow/fate.js';
import type { SagaBody, SagaOptions } from '../workflow/saga/definition.js';
import { wrongSagaOption } from '../workflow/saga/options.js';
import { describeReport } from '../workflow/saga/report.js';
import { SagaRun, type SagaOutcome } from '../workflow/saga/run.js';
import type { SagaWorkflow } from '../workflow/saga/workflow.js';
import { DirectDriver } from './driver.js';
import { HandOver, NotSent } from './hand-over.js';
import { limitsOf, type Limits } from './limits.js';
import { functionsOf, type ParticipantFunction, type ParticipantImplementation } from './participants.js';
import { Semaphore } from './semaphore.js';

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
  /** Transactions that are driven at a time; further ones wait for their turn. Default: 100 */
  readonly atATime?: number;
  /** Transactions that may wait for their turn; a further call is refused. Default: 10,000 */
  readonly waiting?: number;
  /** Told of each transaction that was given to a workflow, with why. What it throws is ignored. */
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
  return new Lane(options);
}

/** How long a lane that ends waits for what is under way, in milliseconds. */
const GRACE_MS = 2_000;

/** States: open → closing, where nothing begins any more → closed, once nothing is driven. */
class Lane implements DirectLane {
  readonly #sagas: DirectLaneOptions['sagas'];
  readonly #functions: ReadonlyMap<string, ParticipantFunction>;
  readonly #announcements = new Map<string, Announcements>();
  readonly #limits: Limits;
  readonly #who: string;
  readonly #onHandOver: DirectLaneOptions['onHandOver'];
  readonly #turns: Semaphore;
  /** Those that are under way. */
  readonly #drivers = new Set<DirectDriver>();
  /** Looks for those that have taken too long. */
  #watch: NodeJS.Timeout | undefined;
  #isClosing = false;
  #onQuiet: () => void = () => undefined;

  constructor(options: DirectLaneOptions) {
    this.#limits = limitsOf(options);
    this.#sagas = options.sagas;
    this.#functions = functionsOf(options.participants);
    this.#who = options.who ?? `${process.pid}@${hostname()}`;
    this.#onHandOver = options.onHandOver;
    this.#turns = new Semaphore(this.#limits.atATime, this.#limits.waiting);
    for (const [participant, database] of Object.entries(options.databases)) {
      this.#announcements.set(participant, announcementsOf(database));
    }
  }

  async drive(order: DirectOrder): Promise<Driven> {
    const { gid, watcher } = order;
    const saga = this.#sagaOf(order);
    if (this.#turns.isFull) return { how: 'no-turn', why: `${this.#turns.waiting} transactions wait already` };
    const turn = this.#turns.enter();
    if (turn !== undefined) await turn;
    try {
      if (watcher?.isGone() === true) return { how: 'no-turn', why: 'nobody waited for it when its turn came' };
      watcher?.begun();
      // A workflow that takes over has exactly the input that is announced: the body cannot reach it, and has one like it.
      const text = JSON.stringify(order.start);
      const beyond = beyondServer(gid, order.start, text);
      if (beyond !== undefined) return { how: 'not-begun', why: this.#tell(gid, beyond) };
      for (const began = performance.now(); ;) {
        if (this.#isClosing) return { how: 'not-begun', why: new HandOver('the direct lane of this process ends') };
        const driver = this.#driverOf(order, saga, text);
        this.#drivers.add(driver);
        try {
          return await this.#drive(driver, saga, text);
        } catch (error) {
          if (error instanceof MetDriver) {
            return await this.#leaveTo(driver, error);
          }
          // It waits here for a connection: a workflow for each would only be more work for the same databases.
          const mayWait = performance.now() - began < this.#limits.takeOverMs;
          if (error instanceof NotSent && mayWait && watcher?.isGone() !== true) continue;
          const why = this.#tell(gid, error instanceof Error ? error : new Error(String(error)));
          return await this.#handOver(driver, why);
        } finally {
          driver.stop();
          this.#drivers.delete(driver);
        }
      }
    } finally {
      this.#turns.leave();
      if (this.#isClosing && this.#drivers.size === 0) this.#onQuiet();
    }
  }

  async look(home: string, gid: string): Promise<Standing> {
    const at = this.#announcements.get(home);
    if (at === undefined) throw new TypeError(`the direct lane of this process has no database of '${home}'`);
    return at.look(gid, this.#limits.callMs);
  }

  async close(graceMs = GRACE_MS): Promise<void> {
    this.#isClosing = true;
    if (this.#drivers.size === 0) return;
    const late = setTimeout(() => {
      for (const driver of this.#drivers) driver.breakOff(new HandOver('the direct lane of this process ends'));
    }, graceMs);
    await new Promise<void>((resolve) => {
      const before = this.#onQuiet;
      this.#onQuiet = () => {
        before();
        resolve();
      };
    });
    clearTimeout(late);
    clearTimeout(this.#watch);
  }

  #sagaOf({ start }: DirectOrder): Saga {
    const saga = this.#sagas[start.transaction] as unknown as SagaWorkflow<unknown, unknown> | undefined;
    if (saga === undefined) {
      throw new TypeError(`the direct lane of this process has no saga '${start.transaction}': give it in 'sagas'`);
    }
    const { body, options } = saga.definition;
    const call = { ...options, ...start.overrides };
    const wrong = wrongSagaOption(call);
    if (wrong !== undefined) throw new TypeError(wrong);
    return { body, options: call };
  }

  #driverOf({ gid, watcher }: DirectOrder, { options: { deadline } }: Saga, start: string): DirectDriver {
    const { takeOverMs, callMs } = this.#limits;
    return new DirectDriver({
      ...{ gid, start, watcher, takeOverMs, callMs, who: this.#who, owner: `direct:${randomUUID()}` },
      deadlineMs: deadline === undefined ? undefined : msToNumber(deadline),
      overdue: `not past its pivot within ${typeof deadline === 'number' ? `${deadline} ms` : (deadline ?? '')}`,
      functionOf: (name) => this.#functions.get(name),
      announcementsOf: (participant) => this.#announcements.get(participant),
    });
  }

  /** @throws {@link MetDriver}, or why it is given to a workflow */
  async #drive(driver: DirectDriver, { body, options }: Saga, text: string): Promise<Driven> {
    const start = JSON.parse(text) as StartOrder;
    const run = new SagaRun<unknown, unknown>(driver, options);
    driver.onBreak = (why) => {
      run.breakOff(why);
    };
    this.#watch ??= this.#watchSoon();
    const outcome = await run.execute(body, start.input);
    return conclude(driver, run, outcome, start);
  }

  /** A body that waits for something else than its steps must not be driven for ever. */
  #watchSoon(): NodeJS.Timeout {
    const look = () => {
      for (const driver of this.#drivers) {
        if (driver.isOverdue) driver.breakOff(new HandOver('it takes too long'));
      }
      this.#watch = this.#drivers.size === 0 ? undefined : this.#watchSoon();
    };
    return setTimeout(look, this.#limits.takeOverMs / 4).unref();
  }

  #tell(gid: string, why: Error): Error {
    try {
      this.#onHandOver?.(gid, why);
    } catch {
      // It goes on all the same.
    }
    return why;
  }

  /**
   * Another driver was met. Whoever has what this one had announced is followed; if nobody has, it has met another transaction
   * under its gid: what it has done so far a workflow undoes.
   */
  async #leaveTo(driver: DirectDriver, { home, fate, message }: MetDriver): Promise<Driven> {
    const { announced, gid } = driver;
    const isItsOwn = fate !== undefined && home === driver.home;
    if (!announced || isItsOwn) return { how: 'elsewhere', home, announced, fate };
    const driven = await this.#handOver(driver, new HandOver(message));
    if (driven.how === 'handed-over') this.#tell(gid, driven.why);
    return driven;
  }

  /** Gives the transaction to a workflow, which its caller starts. Where that cannot be written the workflow takes it. */
  async #handOver(driver: DirectDriver, why: Error): Promise<Driven> {
    const { gid, owner, announced, home } = driver;
    // A process that ends may not come to start it: then a relay does, at once.
    const startMs = this.#isClosing ? 0 : undefined;
    const asked = driver.decide((at, timeoutMs) =>
      announced ? at.handOver(gid, owner, timeoutMs, startMs) : Promise.resolve(true),
    );
    // Nothing was sent for it.
    if (home === undefined || asked === undefined) return { how: 'not-begun', why };
    const won = await asked.catch(() => true);
    return won ? { how: 'handed-over', home, announced, why } : { how: 'elsewhere', home, announced };
  }
}

/** A saga, with the options of a call. */
interface Saga {
  readonly body: SagaBody<unknown, unknown>;
  readonly options: SagaOptions;
}

/** Decides how the transaction ends, if that is this driver's to decide. */
async function conclude(
  driver: DirectDriver,
  { report }: Pick<SagaRun<unknown, unknown>, 'report'>,
  outcome: SagaOutcome<unknown>,
  start: StartOrder,
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
  const { gid, owner, announced, home } = driver;
  // Nothing was applied: what is stored answers everybody alike.
  if (!announced || home === undefined) return { how: 'ended', fate };
  let won: boolean | undefined;
  try {
    won = await driver.decide((at, timeoutMs) => at.end(gid, owner, state, fate, timeoutMs));
  } catch (error) {
    throw new HandOver(`whether it has ended is not known: ${String(error)}`, error);
  }
  return won === true ? { how: 'ended', fate } : { how: 'elsewhere', home, announced };
}

/** A result as JSON carries it, as a workflow's would be. @throws {@link HandOver} for one that cannot be stored */
function asStored(result: unknown, { transaction }: StartOrder): unknown {
  try {
    return result === undefined ? undefined : JSON.parse(JSON.stringify(result));
  } catch (error) {
    throw new HandOver(`JSON does not carry the result of ${transaction}: ${String(error)}`, error);
  }
}
