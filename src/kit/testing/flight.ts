import { setTimeout as sleep } from 'node:timers/promises';
import type { MatrixCase, MatrixSteps } from './cases.js';
import {
  canBeUndone,
  lasts,
  maySplit,
  waitsForDeadline,
  whichOf,
  type FaultKind,
  type MatrixFault,
  type Which,
} from './faults.js';
import { HeldAttempts, stepOf } from './held.js';
import type { MatrixLane } from './lanes.js';
import type { Outside } from './outside.js';
import type { Answer, Reached } from './protocol.js';
import type { MatrixProcess } from './workers.js';

/** A fault of a transaction that runs. */
interface Armed {
  readonly fault: MatrixFault;
  readonly probed: boolean;
  /** How often it struck. */
  struck: number;
  /** Whether it struck first where the lane's own driver had the transaction. */
  own: boolean;
  lifted: boolean;
  /** Milliseconds since 1970: when it was lifted first. */
  liftedAt?: number;
}

/** What a flight is of. */
export interface FlightOptions {
  readonly case: MatrixCase;
  readonly steps: MatrixSteps;
  readonly lane: MatrixLane;
  readonly probed: (step: string) => boolean;
  readonly outside: Outside;
}

/** Given at the start of a transaction that waits for its deadline: passed, and heard of. */
const PASSED_MS = 500;

/**
 * A transaction of the matrix while it runs: what befalls each attempt of its operations.
 *
 * Invariant: when {@link over} has resolved, every attempt that was under way has ended, those that came late too.
 */
export class Flight {
  readonly gid: string;
  readonly #faults: readonly Armed[];
  readonly #last: string | undefined;
  readonly #lane: MatrixLane;
  readonly #outside: Outside;
  /** Attempts under way, with the worker that makes them. */
  readonly #attempts = new Map<string, MatrixProcess>();
  readonly #held = new HeldAttempts();
  readonly #idle = new Set<() => void>();
  readonly #ended: Promise<void>;
  /** To be called when the transaction has ended. */
  end: () => void = () => undefined;
  /** Milliseconds since 1970: when the deadline that was given at the start passes. */
  deadlineAt: number | undefined;

  constructor(gid: string, { case: { faults, triggers }, steps, lane, probed, outside }: FlightOptions) {
    this.gid = gid;
    // The coordinator asks them in the order of their names.
    this.#last = Object.keys(steps).sort().at(-1);
    this.#lane = lane;
    this.#outside = outside;
    this.#faults = [...faults, ...triggers].map((fault) => ({
      fault,
      probed: probed(fault.step),
      struck: 0,
      own: false,
      lifted: false,
    }));
    this.#ended = new Promise((resolve) => (this.end = resolve));
  }

  /** The faults of its case that never struck. */
  get missed(): MatrixFault[] {
    return this.#faults.filter(({ struck }) => struck === 0).map(({ fault }) => fault);
  }

  /**
   * The faults of its case that struck only when the lane's own driver did not have the transaction any more. None where
   * another fault sees to that.
   */
  get strayed(): MatrixFault[] {
    if (this.#faults.some(({ fault }) => fault.trigger && fault.kind === 'unheard')) return [];
    return this.#faults.filter(({ struck, own }) => struck > 0 && !own).map(({ fault }) => fault);
  }

  /**
   * The faults that keep an operation of a branch from being done, or kept it at a time in milliseconds since 1970: it may wait at two
   * desks, a coordinator's and an agent's, and be helped at one.
   */
  keeping(branch: string, which: Which, at = Infinity): MatrixFault[] {
    return this.#faults
      .filter(({ lifted, liftedAt = -Infinity }) => !lifted || liftedAt >= at)
      .filter(({ fault }) => concerns(fault, branch, which) && lasts(fault))
      .map(({ fault }) => fault);
  }

  /** Whether something has befallen it by which its participants may decide differently. */
  get maySplit(): boolean {
    return this.#faults.some(({ fault, struck }) => struck > 0 && maySplit(fault, this.#last));
  }

  /** Lifts every fault of a branch's operation, or of all. */
  lift(branch?: string, which: Which = 'first'): void {
    for (const armed of this.#faults) {
      if (branch !== undefined && !concerns(armed.fault, branch, which)) continue;
      armed.lifted = true;
      armed.liftedAt ??= Date.now();
    }
  }

  /** Ends what the matrix held back, and waits for every attempt. @returns whether all have ended in time */
  async over(limitMs: number): Promise<boolean> {
    this.lift();
    this.end();
    this.#held.releaseAll();
    if (this.#attempts.size === 0) return true;
    let idle: () => void = () => undefined;
    const ended = new Promise<true>((resolve) => {
      idle = () => {
        resolve(true);
      };
      this.#idle.add(idle);
    });
    const done = await Promise.race([ended, sleep(limitMs, false, { ref: false })]);
    this.#idle.delete(idle);
    return done;
  }

  left(flight: number, by: MatrixProcess): void {
    for (const [key, worker] of this.#attempts) {
      if (worker === by && key.startsWith(`${flight} `)) this.#leave(key);
    }
  }

  gone(by: MatrixProcess): void {
    for (const [key, worker] of [...this.#attempts]) if (worker === by) this.#leave(key);
  }

  #leave(key: string): void {
    this.#attempts.delete(key);
    if (this.#attempts.size > 0) return;
    for (const idle of [...this.#idle]) idle();
  }

  async reached(reached: Reached, by: MatrixProcess): Promise<Answer> {
    const { point, branch, op, flight } = reached;
    const key = `${flight ?? 0} ${branch} ${op}`;
    if (point === 'before') this.#attempts.set(key, by);
    const which = whichOf(op);
    if (point === 'after') this.#held.done(branch, which);
    for (const armed of this.#faults) {
      if (!concerns(armed.fault, branch, which)) continue;
      const { struck } = armed;
      const answer = await this.#strike(armed, reached, by);
      if (struck === 0 && armed.struck > 0) armed.own = this.#lane.isOwn(reached.driver);
      // It is never done, or was: nothing of it is to be waited for.
      if (answer === 'hang') this.#leave(key);
      if (answer !== 'go') return answer;
    }
    return 'go';
  }

  async #strike(armed: Armed, reached: Reached, by: MatrixProcess): Promise<Answer> {
    const { point, settle, branch } = reached;
    const { fault } = armed;
    // A look is not in the guard, which has the probe.
    const probed = armed.probed && fault.operation !== 'canCommit';
    const { kind } = fault;
    const once = (at: typeof point) => point === at && armed.struck++ === 0;
    const lasting = (at: typeof point) => point === at && !armed.lifted && ++armed.struck > 0;
    const worked = probed ? 'worked' : 'before';
    switch (kind) {
      case 'dies-before':
        return once('before') ? 'fail' : 'go';
      case 'dies-after':
        return once('after') ? 'fail' : 'go';
      case 'no-reply':
        return once('after') ? 'hang' : 'go';
      case 'unheard':
        // What settles need not be kept from hearing it: its undo is asked anyway.
        return settle !== true && lasting('after') ? 'fail' : 'go';
      case 'hangs':
        return lasting('before') ? 'hang' : 'go';
      case 'refused':
        return lasting(probed ? 'working' : 'before') ? 'refuse' : 'go';
      case 'fails':
        return lasting(worked) ? 'fail' : 'go';
      case 'fails-twice':
        return point === worked && armed.struck < 2 && ++armed.struck > 0 ? 'fail' : 'go';
      case 'late':
        if (once('before')) {
          await this.#held.hold(fault);
          return 'late';
        }
        return canBeUndone(fault.operation) && lasting('before') ? 'hang' : 'go';
      case 'cancelled-before':
      case 'cancelled-after':
        if (once(pointOf(kind))) await this.#outside.cancel(this.gid, reached.driver);
        return 'go';
      case 'deadline-before':
      case 'deadline-after':
        if (point !== pointOf(kind)) return 'go';
        await this.#passDeadline(armed);
        return 'go';
      case 'killed-before':
      case 'killed-after':
        if (point === pointOf(kind)) await this.#kill(armed, by);
        return 'go';
      case 'caller-killed-before':
      case 'caller-killed-after':
        if (point === pointOf(kind)) await this.#kill(armed, this.#outside.caller(this.gid));
        return 'go';
      case 'terminated-before':
        if (!once('before')) return 'go';
        await this.#outside.terminate(this.gid, reached.driver);
        await this.#ended;
        return 'late';
      case 'terminated-after':
        if (once('after')) await this.#outside.terminate(this.gid, reached.driver);
        return 'go';
      case 'agent-ended-before':
        if (!once('before')) return 'go';
        await this.#outside.terminateAgent?.(this.gid, branch);
        await this.#ended;
        return 'late';
      case 'agent-ended-after':
        if (once('after')) await this.#outside.terminateAgent?.(this.gid, branch);
        return 'go';
      case 'taken-over-before':
      case 'taken-over-after':
      case 'raced-before':
      case 'raced-after':
      case 'rival-before':
      case 'rival-after':
      case 'rival-direct-before':
      case 'rival-direct-after':
      case 'rival-group-before':
      case 'rival-group-after':
      case 'rival-undone-before':
      case 'rival-undone-after':
        if (point === pointOf(kind) && this.#lane.isOwn(reached.driver) && armed.struck++ === 0) {
          await this.#meetRival(kind);
        }
        return 'go';
    }
  }

  async #kill(armed: Armed, victim: MatrixProcess | undefined): Promise<void> {
    if (armed.lifted || victim === undefined || !this.#outside.mayKill(victim)) return;
    // A further attempt that comes before the kill is struck too.
    armed.struck++;
    await this.#outside.kill(this.gid, victim);
    armed.lifted = true;
  }

  async #meetRival(kind: FaultKind): Promise<void> {
    const { rivals } = this.#outside;
    if (rivals === undefined) return;
    if (kind.startsWith('rival-undone-')) {
      await rivals.undo(this.gid);
      await rivals.workflowEnded(this.gid);
      return;
    }
    if (kind.startsWith('rival-')) {
      const lane = kind.startsWith('rival-direct-')
        ? 'direct'
        : kind.startsWith('rival-group-')
          ? 'grouped'
          : undefined;
      await rivals.ask(this.gid, lane);
      return;
    }
    await rivals.takeOver(this.gid);
    if (kind.startsWith('taken-over-')) await rivals.workflowEnded(this.gid);
  }

  async #passDeadline(armed: Armed): Promise<void> {
    if (!waitsForDeadline(armed.fault, this.#lane.deadlineGiven)) {
      if (armed.struck++ === 0) await this.#outside.deadline(this.gid);
      return;
    }
    const left = (this.deadlineAt ?? 0) + PASSED_MS - Date.now();
    if (left > 0) {
      armed.struck++;
      await sleep(left);
    }
  }
}

function concerns({ step, operation }: MatrixFault, branch: string, which: Which): boolean {
  return step === stepOf(branch) && whichOf(operation) === which;
}

function pointOf(kind: `${string}-before` | `${string}-after`): 'before' | 'after' {
  return kind.endsWith('-before') ? 'before' : 'after';
}
