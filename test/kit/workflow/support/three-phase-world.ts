import { Desk, type DeskDecision } from '../../../../src/kit/workflow/desk.js';
import type { TransactionReport } from '../../../../src/kit/workflow/failure.js';
import type { Judgement } from '../../../../src/kit/workflow/saga/driver.js';
import { Agent } from '../../../../src/kit/workflow/three-phase/agent.js';
import type { AgentDriver } from '../../../../src/kit/workflow/three-phase/agent-driver.js';
import {
  isEnded,
  type AgentOrder,
  type AgentStatus,
  type Telling,
} from '../../../../src/kit/workflow/three-phase/protocol.js';
import type { BranchRecord, ThreePhaseDriver } from '../../../../src/kit/workflow/three-phase/record.js';
import { ThreePhaseRun } from '../../../../src/kit/workflow/three-phase/run.js';
import type { Settle } from '../../../../src/kit/workflow/saga/definition.js';

/**
 * The rules of a three-phase commit alone: a coordinator, agents, participants, and a network that loses what it is told to, under a
 * clock that jumps to the next thing that happens. Everything is decided by the plan, so a run repeats exactly.
 */

export const TIMES = { answerMs: 10_000, timeoutMs: 30_000, windowMs: 1_800_000 } as const;

/** From when until when something is so, in milliseconds. */
export type Span = readonly [from: number, until: number];

/** What befalls one participant and its link. */
export interface Party {
  /** Which question the participant refuses. */
  readonly refuses: 'nothing' | 'canCommit' | 'prepare';
  /** How long each of its operations takes, in milliseconds. */
  readonly takesMs: number;
  /** How long a message, and its answer, are on their way. */
  readonly delayMs: number;
  /** When nothing that is sent to it arrives, and when none of its answers does. */
  readonly deaf: readonly Span[];
  readonly mute: readonly Span[];
}

export interface Plan {
  readonly parties: readonly Party[];
  /** When the coordinator stops for good; another run settles it at the end. */
  readonly stopsAt?: number;
  /** What persons had decided in the runs before that one. */
  readonly decisions?: readonly DeskDecision[];
  /** How a split ended where it was compared before. Default: it was not. */
  readonly elsewhere?: () => Promise<TransactionReport>;
}

class Refused extends Error {}
/** What cannot be taken back. */
const COMMITTED = 'it has committed';
/** Nothing was heard in time. */
export class Silent extends Error {}

/** A clock that jumps, and those who wait for something to become true. */
class Clock {
  now = 0;
  #order = 0;
  #queue: { at: number; order: number; happen: () => void }[] = [];
  readonly #waiting = new Set<{ until: () => boolean; wake: () => void }>();

  at(ms: number, happen: () => void): void {
    this.#queue.push({ at: this.now + ms, order: this.#order++, happen });
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(ms, resolve));
  }

  until(happened: () => boolean, ms?: number): Promise<boolean> {
    if (happened()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiting = { until: happened, wake: () => resolve(true) };
      this.#waiting.add(waiting);
      if (ms === undefined) return;
      this.at(ms, () => {
        if (this.#waiting.delete(waiting)) resolve(false);
      });
    });
  }

  /** Lets everything happen until nothing is left to, or `until`. */
  async pass(until = Infinity): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      let woken = false;
      for (const waiting of this.#waiting) {
        if (!waiting.until()) continue;
        this.#waiting.delete(waiting);
        waiting.wake();
        woken = true;
      }
      if (woken) continue;
      this.#queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.#queue[0];
      if (next === undefined || next.at > until) return;
      this.#queue.shift();
      this.now = next.at;
      next.happen();
    }
  }
}

/** A participant with its agent, and what its database holds. */
export class Site implements AgentDriver {
  /** What of the branch is in the database. */
  held: 'nothing' | 'prepared' | 'committed' | 'rolled back' = 'nothing';
  /** For how long it was prepared, once it is not any more. */
  preparedMs = 0;
  readonly desk: Desk;
  agent: Agent | undefined;
  readonly #party: Party;
  readonly #clock: Clock;
  #preparedAt = 0;

  constructor(party: Party, clock: Clock) {
    this.#party = party;
    this.#clock = clock;
    this.desk = new Desk(
      () => clock.now,
      () => undefined,
    );
  }

  now(): number {
    return this.#clock.now;
  }

  async ask(op: string, _args: readonly unknown[], _within: unknown, settle?: true): Promise<unknown> {
    const { takesMs, refuses } = this.#party;
    await this.#clock.sleep(takesMs);
    if (settle === true) return this.#settle();
    if (op === refuses) throw new Refused(`${op} is refused`);
    if (op === 'prepare') {
      if (this.held !== 'nothing') throw new Refused('its rollback came first');
      this.held = 'prepared';
      this.#preparedAt = this.#clock.now;
    } else if (op !== 'canCommit') {
      if (this.held === 'prepared') this.preparedMs = this.#clock.now - this.#preparedAt;
      if (op === 'commit' && this.held === 'rolled back') throw new Refused('its rollback came first');
      if (op === 'commit' && this.held !== 'prepared') throw new Error(`a commit of what is ${this.held}`);
      if (op === 'rollback' && this.held === 'committed') throw new Refused(COMMITTED);
      this.held = op === 'commit' ? 'committed' : 'rolled back';
    }
    return 'yes';
  }

  /** What is prepared or committed stays so; what is not is barred. */
  #settle(): string {
    if (this.held === 'prepared' || this.held === 'committed') return 'yes';
    this.held = 'rolled back';
    throw new Refused('it is barred');
  }

  judge = judge;

  until(happened: () => boolean, ms?: number): Promise<boolean> {
    return this.#clock.until(happened, ms);
  }

  changed(): void {
    return undefined;
  }

  list(): void {
    return undefined;
  }

  /** What its server does with a message that has arrived. */
  hear(message: Telling['message'], order: AgentOrder): Promise<AgentStatus> {
    if (this.agent === undefined) {
      if (message !== 'canCommit' && message !== 'outcome') return Promise.resolve({ state: 'aborted', by: 'nobody' });
      this.agent = new Agent(this, order);
      void this.agent.live(message === 'outcome' ? {} : undefined);
    }
    const { agent } = this;
    if (isEnded(agent.status)) return Promise.resolve(agent.status);
    if (message !== 'outcome') return agent.hear(message);
    return this.#clock.until(() => isEnded(agent.status)).then(() => agent.status);
  }

  /** Whether a message that is sent now arrives, or an answer does. */
  passes(way: 'deaf' | 'mute'): boolean {
    return !this.#party[way].some(([from, until]) => this.#clock.now >= from && this.#clock.now < until);
  }

  get delayMs(): number {
    return this.#party.delayMs;
  }
}

/** One run of the coordinator. */
class Coordinator implements ThreePhaseDriver {
  readonly gid = 'test';
  readonly times = TIMES;
  readonly desk: Desk;
  readonly run: ThreePhaseRun;
  /** The states that were told. */
  readonly said = new Set<string>();
  /** It has stopped: it sends nothing any more, and hears nothing. */
  stopped = false;
  readonly #elsewhere: Plan['elsewhere'];
  readonly #sites: readonly Site[];
  readonly #clock: Clock;

  constructor(sites: readonly Site[], clock: Clock, { elsewhere }: Plan, settle?: Settle) {
    this.#sites = sites;
    this.#elsewhere = elsewhere;
    this.#clock = clock;
    this.desk = new Desk(
      () => clock.now,
      () => undefined,
      settle?.decisions,
    );
    const branches = sites.map((_, index) => ({
      ...{ branch: `branch-${index}`, operation: `bank_${index}.move`, input: index, summary: 'moves' },
    }));
    this.run = new ThreePhaseRun(this, branches, settle);
  }

  now(): number {
    return this.#clock.now;
  }

  judge = judge;

  elsewhere(): Promise<TransactionReport | undefined> {
    return this.#elsewhere?.() ?? Promise.resolve(undefined);
  }

  /** What is said of the transaction is said of what has happened. */
  changed(): void {
    const { state, report } = this.run;
    this.said.add(state);
    const saysNo = state === 'compensating' || state === 'compensated' || state === 'failed' || report !== undefined;
    const isNo = this.#sites.some(({ agent }) => agent === undefined || agent.status.state === 'aborted');
    if (saysNo && !isNo) throw new Error(`it is said to be ${state}, and nobody has aborted`);
    for (const branch of report?.undone ?? []) {
      const { held } = this.#sites[Number(branch.replace('branch-', ''))] ?? {};
      const byHand = this.#elsewhere !== undefined || this.desk.notes.some((note) => note.branch === branch);
      if (held === 'committed' && !byHand) throw new Error(`${branch} is said to be undone, and has committed`);
    }
  }

  async tell(
    { branch, operation, input, summary, seq }: BranchRecord,
    message: Telling['message'],
    within: number | 'patiently',
  ): Promise<AgentStatus> {
    const site = this.#sites[seq - 1];
    if (site === undefined) throw new Error(`there is no ${branch}`);
    const order: AgentOrder = { gid: this.gid, branch, seq, operation, input, summary, ...TIMES, of: [] };
    const until = this.#clock.now + (within === 'patiently' ? TIMES.windowMs : within);
    const attemptMs = within === 'patiently' ? 10_000 : within / 3;
    for (;;) {
      const answer: { status?: AgentStatus } = {};
      if (!this.stopped) void this.#send(site, message, order, answer);
      await this.#clock.until(() => answer.status !== undefined, Math.min(attemptMs, until - this.#clock.now));
      // It never hears of it, nor of anything else.
      if (this.stopped) return new Promise(() => undefined);
      if (answer.status !== undefined) return answer.status;
      if (this.#clock.now >= until) throw new Silent(`${branch} does not answer`);
    }
  }

  async #send(site: Site, message: Telling['message'], order: AgentOrder, answer: { status?: AgentStatus }) {
    const heard = site.passes('deaf');
    await this.#clock.sleep(site.delayMs);
    if (!heard) return;
    const status = await site.hear(message, order);
    const passes = site.passes('mute');
    await this.#clock.sleep(site.delayMs);
    if (passes) answer.status = status;
  }
}

function judge(error: unknown): Judgement {
  if (error instanceof Refused) {
    const { message } = error;
    return { knowledge: 'rejected', type: 'Refused', message, ...(message === COMMITTED && { suspended: true }) };
  }
  if (error instanceof Silent) return { knowledge: 'unknown', type: 'Timeout', message: error.message };
  throw error;
}

/** How it all ended. */
export interface Ended {
  readonly run: ThreePhaseRun;
  readonly desk: Desk;
  readonly sites: readonly Site[];
  /** The states that were told, by the last run. */
  readonly said: ReadonlySet<string>;
}

/** Runs a plan to its end; a coordinator that stopped is settled when all agents have ended. */
export async function play(plan: Plan): Promise<Ended> {
  const { parties, stopsAt, decisions } = plan;
  const clock = new Clock();
  const sites = parties.map((party) => new Site(party, clock));
  const start = (settle?: Settle) => {
    const coordinator = new Coordinator(sites, clock, plan, settle);
    void coordinator.run.execute();
    return coordinator;
  };
  const ended = ({ run, desk, said }: Coordinator): Ended => ({ run, desk, sites, said });
  const first = start();
  if (stopsAt === undefined) {
    await clock.pass();
    return ended(first);
  }
  await clock.pass(stopsAt);
  first.stopped = true;
  await clock.pass();
  const second = start({ failedAt: clock.now, reason: 'stopped', ...(decisions && { decisions }) });
  await clock.pass();
  return ended(second);
}
