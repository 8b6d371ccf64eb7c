import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CallerDriver } from './caller-driver.js';
import { matrixCases, schemeOf, type MatrixCase } from './cases.js';
import { DeskClerk } from './desk-clerk.js';
import { WorkflowStarter, type Ended, type TransactionDriver } from './driver.js';
import { kills, type MatrixFault } from './faults.js';
import { Flight } from './flight.js';
import { Gathering } from './gathering.js';
import { recordHistories } from './histories.js';
import { matrixLanes, threePhaseLane, type MatrixLane } from './lanes.js';
import { judgeNeighbours, NEIGHBOURS } from './neighbours.js';
import { SPLIT } from '../workflow/three-phase/split.js';
import type { MatrixOptions } from './options.js';
import { orderOf, type Queues } from './orders.js';
import type { Reached, Terms } from './protocol.js';
import { judge, rowName, type MatrixReport, type MatrixResult } from './result.js';
import { matrixTable } from './table.js';
import { startWorker, Workers, type MatrixProcess } from './workers.js';

/** Cases with a killed worker that are under way at a time, besides the others. */
const KILLED_AT_A_TIME = 16;
/** How long late attempts may take when all is over, in milliseconds. */
const LATE_MS = 20_000;
/** How long a kill waits for other transactions that are to be struck by one, in milliseconds. */
const GATHER_MS = 2_500;
/** The same where they are driven in groups, in which no call may wait for longer than two seconds. */
const GATHER_IN_GROUPS_MS = 1_000;
/**
 * How often a case is run whose fault never struck, or that brought to the desk what had no fault, each time with twice
 * the times: on a slow machine an attempt may time out by itself, and the transaction takes another way.
 */
const RUNS = 5;
/** Of the cases that are under way at a time each further run has this share less. */
const SHARE = 4;

/** A case with its place among all. */
type Placed = [number, MatrixCase];

/**
 * Runs a transaction through every fault at every operation, and pairs of faults, with real workers and real databases, and
 * looks at what is left: every branch has its effect exactly once, or none has.
 *
 * @throws when the saga does not run without a fault as it was described, or a worker cannot be started; never for what
 * is wrong with a case: that is in the report
 */
export async function crashMatrix(options: MatrixOptions): Promise<MatrixReport> {
  const folder = mkdtempSync(join(tmpdir(), 'backstitch-matrix-'));
  const matrix = new Matrix(options, join(folder, 'workflows.cjs'));
  try {
    return await matrix.run();
  } finally {
    await matrix.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Matrix {
  readonly #options: MatrixOptions;
  readonly #tag = randomBytes(3).toString('hex');
  readonly #flights = new Map<string, Flight>();
  readonly #lane: MatrixLane;
  readonly #driver: TransactionDriver;
  readonly #clerk: DeskClerk;
  readonly #workers: Workers;
  readonly #gathering: Gathering;
  readonly #queues: Queues;
  /** Rejects when the matrix itself fails: a worker cannot be started, the desk cannot be read. */
  readonly #broken: Promise<never>;
  /** Where a guard with the probe was seen. */
  readonly #probed = new Set<string>();
  /** The steps that were seen, in order. */
  readonly #seen = new Set<string>();
  /** How the workflow of each transaction is started. */
  readonly #terms = new Map<string, Terms>();
  readonly #redone: MatrixResult[] = [];
  #count = 0;

  constructor(options: MatrixOptions, bundle: string) {
    const { client, workflow, worker, call, steps } = options;
    this.#options = options;
    this.#lane = schemeOf(steps) === '3pc' ? threePhaseLane : matrixLanes[call?.lane ?? 'durable'];
    this.#clerk = new DeskClerk(client, workflow, this.#flights);
    const steady = `matrix-${workflow}-${this.#tag}`;
    this.#queues = { steady, killed: `${steady}-killed` };
    let fail: (error: Error) => void = () => undefined;
    this.#broken = new Promise((_, reject) => (fail = reject));
    this.#broken.catch(() => undefined);
    const start = (taskQueue: string) => startWorker(worker, { taskQueue, bundle }, this);
    this.#workers = new Workers(start, this.#queues, fail);
    this.#gathering = new Gathering(
      (by) => this.#workers.kill(by),
      this.#lane.inGroups ? GATHER_IN_GROUPS_MS : GATHER_MS,
    );
    this.#driver = this.#lane.inCaller
      ? new CallerDriver(client, workflow, this.#workers, steady)
      : new WorkflowStarter(client, workflow, schemeOf(steps));
  }

  async run(): Promise<MatrixReport> {
    const { steps, pairs, seed = 1, kinds = this.#lane.kinds, only = () => true, concurrency = 20 } = this.#options;
    const began = Date.now();
    const mayKill = kinds.some((kind) => kind.startsWith('killed-'));
    await Promise.race([this.#workers.open(mayKill), this.#broken]);
    await Promise.race([this.#rehearse(), this.#broken]);
    const cases = matrixCases(steps, { pairs, seed, kinds, probed: (step) => this.#probed.has(step) }).filter(only);
    const results: MatrixResult[] = [];
    let done = 0;
    const cannot = Promise.race([this.#broken, this.#clerk.work()]);
    cannot.catch(() => undefined); // Whoever waits for the cases hears of it.
    for (let run = 1, placed: Placed[] = [...cases.entries()]; placed.length > 0; run++) {
      const slow: Placed[] = [];
      const lane = async (waiting: Placed[]) => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const [place, matrixCase] = next;
          const result = await this.#runCase(matrixCase, run);
          if (result === undefined) {
            slow.push(next);
            continue;
          }
          results[place] = result;
          this.#options.onResult?.(result, ++done, cases.length);
        }
      };
      const killing = placed.filter(([, { faults }]) => faults.some(kills));
      const others = placed.filter(([, { faults }]) => !faults.some(kills));
      // What was too slow is run again when the others are over, and fewer at a time: there are times that nothing makes longer.
      const atATime = run === 1 ? concurrency : Math.max(1, Math.floor(concurrency / SHARE ** (run - 1)));
      await Promise.race([
        Promise.all([
          ...Array.from({ length: Math.min(KILLED_AT_A_TIME, atATime) }, () => lane(killing)),
          ...Array.from({ length: atATime }, () => lane(others)),
        ]),
        cannot,
      ]);
      placed = slow;
    }
    const report = {
      ...{ steps, kinds, results, redone: this.#redone, seed, killed: this.#workers.killed },
      ...{ wrong: results.filter(({ verdict }) => verdict === 'wrong'), ms: Date.now() - began },
    };
    return { ...report, table: matrixTable(report) };
  }

  async close(): Promise<void> {
    this.#clerk.stop();
    await this.#workers.close();
  }

  // What the workers tell.

  reached(reached: Reached, by: MatrixProcess) {
    const { gid, point, branch } = reached;
    if (point === 'before') this.#seen.add(branch);
    if (point === 'working') this.#probed.add(branch);
    return this.#flights.get(gid)?.reached(reached, by) ?? Promise.resolve('go' as const);
  }

  terms(gid: string): Terms | undefined {
    return this.#terms.get(gid);
  }

  left(flight: number, by: MatrixProcess): void {
    for (const each of this.#flights.values()) each.left(flight, by);
  }

  gone(by: MatrixProcess): void {
    for (const each of this.#flights.values()) each.gone(by);
  }

  /** Runs the saga once without a fault: what the matrix was told of it has to be true. */
  async #rehearse(): Promise<void> {
    const { steps } = this.#options;
    const { verdict, reasons, state } = await this.#runOnce({ name: 'no fault', faults: [], triggers: [] });
    const wrong = [...reasons];
    if (verdict !== 'wrong' && state !== 'committed') wrong.push(`it is ${state}`);
    const missing = Object.keys(steps).filter((step) => !this.#seen.has(step));
    const extra = [...this.#seen].filter((step) => !(step in steps));
    if (missing.length > 0) wrong.push(`it never runs ${missing.join(', ')}, which 'steps' names`);
    if (extra.length > 0) wrong.push(`it runs ${extra.join(', ')}, which 'steps' does not name`);
    if (wrong.length > 0) {
      throw new Error(`the saga '${this.#options.workflow}' is not as it was described: ${wrong.join('; ')}`);
    }
  }

  /** Runs a case for the so manieth time. @returns undefined if it was right, and too slow for its faults: it is to be run again */
  async #runCase(matrixCase: MatrixCase, run: number): Promise<MatrixResult | undefined> {
    const hasty: string[] = [];
    const result = await this.#runOnce(matrixCase, 2 ** (run - 1), hasty);
    const { missed, strayed, reasons, gid } = result;
    const slow = [...this.#clerk.of(gid).hasty, ...hasty];
    // One fault of a pair may let the transaction take a way on which the other never strikes.
    if (matrixCase.faults.length === 1) {
      slow.push(...missed.map((fault) => `it never struck: ${fault}`));
      slow.push(...strayed.map((fault) => `it struck only when another driver had the transaction: ${fault}`));
    }
    if (slow.length === 0 || reasons.length > 0) return result;
    if (run === RUNS) return { ...result, verdict: 'wrong', reasons: slow };
    this.#redone.push({ ...result, reasons: slow });
    return undefined;
  }

  /** @param hasty gets what came of times that were too short for this machine */
  async #runOnce(matrixCase: MatrixCase, longer = 1, hasty: string[] = []): Promise<MatrixResult> {
    const { workflow, limitMs = 240_000, histories, client } = this.#options;
    const all = [...matrixCase.faults, ...matrixCase.triggers];
    const fresh = () => `${workflow}-${this.#tag}-${++this.#count}`;
    const neighbours = Array.from({ length: this.#lane.inGroups ? NEIGHBOURS : 0 }, fresh);
    const gid = fresh();
    for (const each of [gid, ...neighbours]) await this.#options.prepare?.(each);
    const order = orderOf({
      ...{ gid, neighbours, options: this.#options, lane: this.#lane, queues: this.#queues },
      ...{ faults: all, longer },
    });
    if (this.#lane.inCaller) await this.#workers.at(order.asked).ready;
    const began = Date.now();
    const flight = new Flight(gid, {
      case: matrixCase,
      steps: this.#options.steps,
      lane: this.#lane,
      probed: (step) => this.#probed.has(step),
      outside: {
        cancel: (id, driver) => this.#driver.cancel(id, driver),
        deadline: (id) => this.#driver.deadline(id),
        terminate: (id, driver) => this.#driver.terminate(id, driver),
        terminateAgent: (id, branch) => this.#driver.terminateAgent?.(id, branch) ?? Promise.resolve(),
        caller: (id) => this.#driver.caller(id),
        mayKill: (by) => by !== this.#workers.at(this.#queues.steady),
        kill: (id, by) => this.#gathering.arrive(id, by),
        rivals: this.#driver.rivals,
      },
    });
    this.#flights.set(gid, flight);
    for (const each of [gid, ...neighbours]) this.#terms.set(each, order.terms);
    const { deadline } = order.call;
    if (deadline !== undefined) flight.deadlineAt = began + deadline;
    if (all.some(kills)) this.#gathering.expect(gid);
    const beside = { driver: this.#driver, options: this.#options, limitMs };
    let ended: Ended | undefined;
    let effects: Readonly<Record<string, number>> = {};
    const reasons: string[] = [];
    try {
      await this.#driver.start(order);
      ended = await Promise.race([this.#driver.ended(gid), sleep(limitMs, undefined, { ref: false })]);
      if (ended === undefined) await this.#driver.abandon(gid);
      if (!(await flight.over(LATE_MS))) reasons.push('an attempt of it has not ended');
      if (ended !== undefined) reasons.push(...(await this.#driver.disagreements(gid, ended)));
      effects = await this.#options.effects(gid);
      const judged = await judgeNeighbours({ ...beside, gids: neighbours, faults: all });
      reasons.push(...judged.wrong);
      hasty.push(...judged.hasty);
      if (histories !== undefined) await recordHistories(client, gid, matrixCase, histories);
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    } finally {
      await flight.over(0);
      this.#gathering.forget(gid);
      this.#flights.delete(gid);
    }
    const { cases, wrong } = this.#clerk.of(gid);
    const state = ended?.state ?? 'open';
    const message = ended === undefined ? `it has not ended within ${limitMs} ms` : ended.message;
    const desk = cases.filter(({ type }) => type === SPLIT).map(({ branch }) => branch);
    const split = desk.length > 0 ? { desk, report: ended?.left ?? [] } : undefined;
    reasons.push(...wrong, ...judge(this.#options.steps, { state, message, effects, split }));
    return {
      ...{ case: matrixCase, gid, state, effects, reasons, desk: cases, ms: Date.now() - began },
      ...{ missed: flight.missed.map(faultName), strayed: flight.strayed.map(faultName) },
      verdict: reasons.length > 0 ? 'wrong' : split !== undefined ? 'split' : cases.length > 0 ? 'desk' : 'ok',
    };
  }
}

function faultName(fault: MatrixFault): string {
  return `${rowName(fault)}: ${fault.kind}`;
}
