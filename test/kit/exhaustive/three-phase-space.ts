import { Desk } from '../../../src/kit/workflow/desk.js';
import type { Judgement } from '../../../src/kit/workflow/saga/driver.js';
import { Agent } from '../../../src/kit/workflow/three-phase/agent.js';
import type { AgentDriver } from '../../../src/kit/workflow/three-phase/agent-driver.js';
import {
  isEnded,
  type AgentOrder,
  type AgentStatus,
  type Message,
  type Telling,
} from '../../../src/kit/workflow/three-phase/protocol.js';
import type { BranchRecord, ThreePhaseDriver } from '../../../src/kit/workflow/three-phase/record.js';
import { ThreePhaseRun } from '../../../src/kit/workflow/three-phase/run.js';

/**
 * Everything that can happen in a three-phase commit, in every order: the rules themselves run, the coordinator's and the agents', and
 * whatever comes next is chosen. There is no clock: a timer rings when it is chosen to.
 */

/** What can go wrong. Participants may always refuse. */
export interface Allowed {
  readonly participants: number;
  /** Messages and answers are lost, or late too, and timers ring at any time. Otherwise one rings only when nothing else can happen. */
  readonly partition?: 'lost' | 'late';
  /** The coordinator stops for good, once, at any time before it has ended or waits for a person, and is settled at any time after that. */
  readonly coordinatorStops?: true;
  /** One agent's run is ended from outside, once, at any time, and settled. */
  readonly agentEnds?: true;
}

/** One thing that can happen now. */
interface Choice {
  readonly name: string;
  /** Only when there is nothing else. */
  readonly patient?: true;
  happen(): void;
}

/** How it has ended. */
export interface Outcome {
  /** What happened, in order. */
  readonly trace: readonly string[];
  /** What each participant's database holds in the end. */
  readonly held: readonly string[];
  readonly ended: readonly (AgentStatus | undefined)[];
  readonly state: string;
  /** The branches at the desk. */
  readonly cases: readonly string[];
  /** When the coordinator stopped: whether it had said a `preCommit`, and where the agents stood. */
  readonly atStop: AtStop | undefined;
}

interface AtStop {
  readonly hasSaidPreCommit: boolean;
  readonly agents: readonly string[];
}

/** Follows every choice from every state, each state once. @returns how many states there are */
export async function explore(allowed: Allowed, look: (outcome: Outcome) => void): Promise<number> {
  const seen = new Set<string>();
  const open: number[][] = [[]];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const space = new Space(allowed);
    const taken: number[] = [];
    for (;;) {
      do await settled();
      while (space.wake());
      const choices = space.choices();
      if (choices.length === 0) {
        look(space.outcome());
        break;
      }
      const next = path[taken.length];
      if (next === undefined) {
        const digest = space.digest();
        if (seen.has(digest)) break;
        seen.add(digest);
        for (let other = choices.length - 1; other > 0; other--) open.push([...taken, other]);
      }
      space.take(choices[next ?? 0]);
      taken.push(next ?? 0);
    }
  }
  return seen.size;
}

/** Everything that follows by itself has followed. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What a participant answers when it has prepared: a commit has to come with it. */
const VOTE = 'yes';

class Refused extends Error {}
class Silent extends Error {}

/** The states in which a coordinator still has something to do. */
const UNDER_WAY: readonly string[] = ['running', 'compensating'];

const never = <T>() => new Promise<T>(() => undefined);

/** A message on its way. */
interface Sent {
  readonly site: Site;
  readonly message: Telling['message'];
  readonly by: Coordinator;
  readonly order: AgentOrder;
  readonly patient: boolean;
  readonly answered: (status: AgentStatus) => void;
  readonly silent: () => void;
  stage: 'sent' | 'heard' | 'given up';
}

class Space {
  readonly #allowed: Allowed;
  readonly #sites: readonly Site[];
  readonly #first: Coordinator;
  #second: Coordinator | undefined;
  readonly sent = new Set<Sent>();
  readonly #trace: string[] = [];
  #atStop: AtStop | undefined;
  #hasEnded = false;

  constructor(allowed: Allowed) {
    this.#allowed = allowed;
    this.#sites = Array.from({ length: allowed.participants }, (_, place) => new Site(place));
    this.#first = new Coordinator(this, this.#sites);
    void this.#first.run.execute();
  }

  take(choice: Choice | undefined): void {
    if (choice === undefined) throw new Error('there is no such choice');
    this.#trace.push(choice.name);
    choice.happen();
  }

  /** Wakes who has waited for what is so now. @returns whether somebody did */
  wake(): boolean {
    return this.#sites.map((site) => site.wake()).some((woken) => woken);
  }

  choices(): Choice[] {
    const all = [...this.sent].flatMap((sent) => this.#ofSent(sent));
    for (const site of this.#sites) all.push(...site.choices());
    const { partition, coordinatorStops, agentEnds } = this.#allowed;
    const now = partition ? all : all.filter(({ patient }) => patient !== true);
    const choices = now.length === 0 ? all : now;
    const isOver = choices.length === 0 && this.#first.stopped === (this.#second !== undefined);
    if (isOver) return [];
    if (coordinatorStops && !this.#first.stopped && UNDER_WAY.includes(this.#first.run.state)) {
      choices.push({ name: 'the coordinator stops', happen: () => this.#stop() });
    }
    if (this.#first.stopped && this.#second === undefined) {
      choices.push({ name: 'it is settled', happen: () => this.#settle() });
    }
    if (agentEnds && !this.#hasEnded) choices.push(...this.#sites.flatMap((site) => this.#ending(site)));
    return choices;
  }

  #ofSent(sent: Sent): Choice[] {
    const { site, message, by, patient } = sent;
    const name = `${message} ${site.place}`;
    const lossy = this.#allowed.partition !== undefined || by.stopped;
    const remove = () => this.sent.delete(sent);
    if (sent.stage === 'heard') return [];
    // Who asks for the outcome hears it when there is one.
    if (message === 'outcome' && !site.isOver) return [];
    const choices: Choice[] = [{ name, happen: () => this.#hear(sent) }];
    if (!lossy || message === 'outcome') return choices;
    const lose = () => {
      remove();
      sent.silent();
    };
    if (!patient || by.stopped) choices.push({ name: `${name} is lost`, happen: lose });
    if (!patient && sent.stage === 'sent' && !by.stopped) {
      const giveUp = () => {
        sent.stage = 'given up';
        sent.silent();
      };
      if (this.#allowed.partition === 'late') choices.push({ name: `${name} is late`, happen: giveUp });
      const unheard = () => {
        this.#hear({ ...sent, stage: 'given up' });
        lose();
      };
      choices.push({ name: `the answer to ${name} is lost`, happen: unheard });
    }
    return choices;
  }

  #hear(sent: Sent): void {
    const { site, message, order, answered, stage } = sent;
    if (stage === 'given up') this.sent.delete(sent);
    else sent.stage = 'heard';
    const run = site.run;
    void site.hear(message, order).then((status) => {
      this.sent.delete(sent);
      answered(status);
    });
    // Whoever did not live to answer is told again.
    site.onEnd(run, () => {
      if (this.sent.has(sent)) sent.stage = 'sent';
    });
  }

  #stop(): void {
    this.#first.stopped = true;
    this.#atStop = {
      hasSaidPreCommit: this.#first.said.has('preCommit'),
      agents: this.#sites.map(({ agent }) => agent?.status.state ?? 'none'),
    };
    for (const sent of this.sent) if (sent.stage === 'heard') this.sent.delete(sent);
  }

  #settle(): void {
    this.#second = new Coordinator(this, this.#sites, true);
    void this.#second.run.execute();
  }

  #ending(site: Site): Choice[] {
    if (site.agent === undefined || site.isOver) return [];
    const end = () => {
      this.#hasEnded = true;
      site.end();
    };
    return [{ name: `the run of agent ${site.place} is ended, and settled`, happen: end }];
  }

  digest(): string {
    const sent = [...this.sent].map(({ site, message, by, stage, patient }) => {
      return [site.place, message, stage, patient, by === this.#first];
    });
    const runs = [this.#first, this.#second].map((of) => of && [of.stopped, of.digest()]);
    return JSON.stringify([sent, runs, this.#hasEnded, this.#atStop, this.#sites.map((site) => site.digest())]);
  }

  outcome(): Outcome {
    const { run, desk } = this.#second ?? this.#first;
    return {
      trace: this.#trace,
      held: this.#sites.map(({ held }) => held),
      ended: this.#sites.map(({ agent }) => agent?.status),
      state: run.state,
      cases: desk.cases.map(({ branch }) => branch),
      atStop: this.#atStop,
    };
  }
}

/** A participant with its agent. */
class Site {
  readonly place: number;
  held: 'nothing' | 'prepared' | 'committed' | 'rolled back' = 'nothing';
  agent: Agent | undefined;
  run = 0;
  #order: AgentOrder | undefined;
  #heard: string[] = [];
  /** What it has asked that settles it: its next run is told. */
  readonly #asked: { undo?: true; confirm?: readonly string[] } = {};
  readonly #asks: { readonly run: number; readonly op: string; readonly options: readonly Choice[] }[] = [];
  readonly #waits = new Set<{ run: number; until: () => boolean; timed: boolean; wake: (happened: boolean) => void }>();
  readonly #ends: { readonly run: number; readonly then: () => void }[] = [];

  constructor(place: number) {
    this.place = place;
  }

  get isOver(): boolean {
    return this.agent === undefined || isEnded(this.agent.status);
  }

  hear(message: Telling['message'], order: AgentOrder): Promise<AgentStatus> {
    if (this.agent === undefined) {
      if (message !== 'canCommit' && message !== 'outcome') return Promise.resolve({ state: 'aborted', by: 'nobody' });
      this.#order = order;
      // Who settles has one started that is not there, as one that settles.
      this.#begin(order, message === 'outcome' ? {} : undefined);
    }
    const { agent } = this;
    if (agent === undefined) throw new Error('it has begun');
    if (isEnded(agent.status)) return Promise.resolve(agent.status);
    this.#heard.push(message);
    return agent.hear(message as Message);
  }

  #begin(order: AgentOrder, again?: { undo?: true; confirm?: readonly string[] }): void {
    this.agent = new Agent(this.#driver(), order);
    void this.agent.live(again);
  }

  /** Its run is ended from outside, and the next one settles. */
  end(): void {
    const ended = this.run++;
    this.#heard = [];
    for (const { run, then } of this.#ends) if (run === ended) then();
    if (this.#order !== undefined) this.#begin(this.#order, { ...this.#asked });
  }

  onEnd(run: number, then: () => void): void {
    this.#ends.push({ run, then });
  }

  #driver(): AgentDriver {
    const { run } = this;
    const isDead = () => this.run !== run;
    return {
      desk: new Desk(
        () => 0,
        () => undefined,
      ),
      now: () => 0,
      judge,
      changed: () => undefined,
      list: () => undefined,
      ask: (op, args, _within, settle) => {
        if (isDead()) return never();
        if (op === 'commit' && args[1] !== VOTE) throw new Error(`a commit without the vote: ${String(args[1])}`);
        if (op === 'rollback') this.#asked.undo = true;
        if (op === 'commit') this.#asked.confirm = [`branch-${this.place}`];
        return new Promise((resolve, reject) => {
          const ask = { run, op: `${op}${settle ? ' settle' : ''}`, options: [] as Choice[] };
          const option = (name: string, perform: () => void): Choice => ({
            name: `${name} ${this.place}`,
            happen: () => {
              this.#asks.splice(this.#asks.indexOf(ask), 1);
              try {
                perform();
                if (!isDead()) resolve(op === 'prepare' ? VOTE : undefined);
              } catch (error) {
                if (!isDead()) reject(error instanceof Error ? error : new Error(String(error)));
              }
            },
          });
          ask.options.push(option(ask.op, () => this.#perform(op, settle)));
          const mayRefuse = settle === undefined && (op === 'canCommit' || op === 'prepare');
          const refuse = () => {
            throw new Refused(`${op} is refused`);
          };
          if (mayRefuse) ask.options.push(option(`a refused ${op}`, refuse));
          this.#asks.push(ask);
        });
      },
      until: (happened, ms) => {
        if (isDead()) return never();
        if (happened()) return Promise.resolve(true);
        return new Promise((wake) => {
          this.#waits.add({ run, until: happened, timed: ms !== undefined, wake });
        });
      },
    };
  }

  #perform(op: string, settle?: true): void {
    if (op === 'prepare' && settle) {
      if (this.held === 'prepared' || this.held === 'committed') return;
      this.held = 'rolled back';
      throw new Refused('it is barred');
    }
    if (op === 'prepare') {
      if (this.held !== 'nothing') throw new Refused('its rollback came first');
      this.held = 'prepared';
    } else if (op === 'commit') {
      if (this.held === 'committed') return;
      if (this.held !== 'prepared') throw new Refused('it is not there');
      this.held = 'committed';
    } else if (op === 'rollback') {
      if (this.held === 'committed') throw new Refused('it has committed');
      this.held = 'rolled back';
    }
  }

  wake(): boolean {
    const now = [...this.#waits].filter(({ run, until }) => run !== this.run || until());
    for (const wait of now) {
      this.#waits.delete(wait);
      if (wait.run === this.run) wait.wake(true);
    }
    return now.length > 0;
  }

  choices(): Choice[] {
    const timers = [...this.#waits].filter(({ timed, run }) => timed && run === this.run);
    return [
      ...this.#asks.flatMap(({ options }) => options),
      ...timers.map((wait): Choice => ({
        name: `the timer of ${this.place} rings`,
        patient: true,
        happen: () => {
          this.#waits.delete(wait);
          wait.wake(false);
        },
      })),
    ];
  }

  digest(): unknown {
    const waits = [...this.#waits].filter(({ timed }) => timed).length;
    const asks = this.#asks.map(({ run, op }) => [run, op]);
    const status = this.agent && [this.agent.status.state, this.agent.status.by];
    return [this.held, status, [...new Set(this.#heard)].sort(), this.run, this.#asked, waits, asks];
  }
}

/** One run of the coordinator. */
class Coordinator implements ThreePhaseDriver {
  readonly gid = 'test';
  readonly times = { answerMs: 1, timeoutMs: 1_000, windowMs: 1_000 };
  readonly desk = new Desk(
    () => 0,
    () => undefined,
  );
  readonly run: ThreePhaseRun;
  stopped = false;
  /** What it has said to anybody. */
  readonly said = new Set<string>();
  readonly #space: Space;
  readonly #sites: readonly Site[];

  constructor(space: Space, sites: readonly Site[], settles = false) {
    this.#space = space;
    this.#sites = sites;
    const branches = sites.map(({ place }) => ({
      ...{ branch: `${place}`, operation: `bank_${place}.move`, input: place, summary: 'moves' },
    }));
    this.run = new ThreePhaseRun(this, branches, settles ? { failedAt: 0, reason: 'stopped' } : undefined);
  }

  now(): number {
    return 0;
  }

  judge = judge;

  elsewhere(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  changed(): void {
    return undefined;
  }

  tell(record: BranchRecord, message: Telling['message'], within: number | 'patiently'): Promise<AgentStatus> {
    const { branch, operation, input, summary, seq } = record;
    const site = this.#sites[seq - 1];
    if (this.stopped || site === undefined) return never();
    this.said.add(message);
    const order: AgentOrder = { gid: 'test', branch, seq, operation, input, summary, ...this.times, of: [] };
    return new Promise((resolve, reject) => {
      this.#space.sent.add({
        ...{ site, message, order, by: this, patient: within === 'patiently', stage: 'sent' },
        answered: (status) => {
          if (!this.stopped) resolve(status);
        },
        silent: () => {
          if (!this.stopped) reject(new Silent(`${branch} does not answer`));
        },
      });
    });
  }

  digest(): unknown {
    const records = this.run.records.map(({ vote, second, status }) => [
      vote,
      second?.op,
      second?.state,
      status?.state,
    ]);
    return [this.run.state, this.run.beyondStop, records, this.desk.cases.length];
  }
}

function judge(error: unknown): Judgement {
  if (error instanceof Refused) {
    // What is committed cannot be taken back.
    const suspended = error.message === 'it has committed';
    return { knowledge: 'rejected', type: 'Refused', message: error.message, ...(suspended && { suspended }) };
  }
  if (error instanceof Silent) return { knowledge: 'unknown', type: 'Timeout', message: error.message };
  throw error;
}
