import { Random } from './random.js';

/** What can go wrong in a run, and the schedule by which it does: a pure function of the seed. */

/** Connections that go through a proxy. */
export const links = ['workers-postgres', 'workers-temporal', 'callers-postgres', 'callers-temporal'] as const;
export type Link = (typeof links)[number];

export const workers = ['worker-1', 'worker-2'] as const;
export type WorkerName = (typeof workers)[number];

/** Processes that call for the customers: gather those of the grouped lane, and drive those of the direct lane. */
export const callers = ['caller-1', 'caller-2'] as const;
export type CallerName = (typeof callers)[number];

/** Processes that are replaced when they end. */
export type ProcessName = WorkerName | CallerName;

export type ServerName = 'postgres' | 'temporal';

/** What is done to a target. */
export type FaultKind =
  /** SIGKILL; a worker or caller is replaced, a server is started again on its port and its data. */
  | 'kill'
  /** SIGSTOP, and SIGCONT later: given up meanwhile by the server, it goes on with what it was doing. */
  | 'freeze'
  /** Stopped in order and started again. */
  | 'restart'
  /** All connections are cut at once. */
  | 'cut'
  /** Each connection is cut in the middle of the next answer that it carries. */
  | 'cut-answers'
  /** Nothing goes through for a while, then all that was held up. */
  | 'stall'
  /** Only answers go through; from half of the time on nothing: connections are cut, and new ones refused. */
  | 'lose-requests'
  /** The same with requests: what was asked is done, nobody hears of it, and nobody can ask again for a while. */
  | 'lose-answers';

/** A fault, and when it happens. */
export interface Fault {
  readonly kind: FaultKind;
  readonly target: Link | ProcessName | ServerName;
  /** How long it lasts, in milliseconds; 0 for what takes no time by itself. */
  readonly ms: number;
  /** It happens when so many transactions have ended. */
  readonly afterEnded: number;
  /** Or when so many milliseconds have passed since the one before, so that a run that stands still goes on. */
  readonly orAfterMs: number;
}

type Act = Pick<Fault, 'kind' | 'target'>;

/** Longer than a worker (5 s) or a caller (4 s) may be silent, so that what it was doing is done by another. */
const FREEZE_MS = [6_000, 8_000] as const;
/** A process is replaced at once, whatever the figure for `kill` says. */
const LASTS_MS: Readonly<Record<FaultKind, readonly [min: number, max: number]>> = {
  kill: [0, 3_000],
  freeze: FREEZE_MS,
  restart: [0, 2_000],
  cut: [0, 0],
  'cut-answers': [0, 0],
  stall: [1_000, 6_000],
  'lose-requests': [1_000, 5_000],
  'lose-answers': [1_000, 5_000],
};
const PATIENCE_MS = [4_000, 7_000] as const;

const linkKinds = ['cut', 'cut-answers', 'stall', 'lose-requests', 'lose-answers'] as const satisfies FaultKind[];

/** Every kind of fault, with the targets that it has: a run has each kind at least once. */
const kinds: readonly (readonly Act[])[] = [
  workers.map((target) => ({ kind: 'kill', target })),
  workers.map((target) => ({ kind: 'freeze', target })),
  callers.map((target) => ({ kind: 'kill', target })),
  callers.map((target) => ({ kind: 'freeze', target })),
  [{ kind: 'kill', target: 'postgres' }],
  [{ kind: 'restart', target: 'postgres' }],
  [{ kind: 'kill', target: 'temporal' }],
  ...linkKinds.map((kind) => links.map((target) => ({ kind, target }))),
];

/** The kinds of faults, each with all its targets, as text: to count what a run had. */
export const faultKinds: readonly (readonly string[])[] = kinds.map((acts) =>
  acts.map(({ kind, target }) => `${kind} ${target}`),
);

/** Transactions between two faults in a long run; a short one has each kind once, however close they are. */
const TRANSACTIONS_PER_FAULT = 16;

/**
 * The faults of a run, in the order in which they happen. Each kind happens at least once, and in a run that is long
 * enough to each of its targets; they are spread evenly over the transactions, the last before the last twentieth of them.
 */
export function planFaults(seed: number, transactions: number): Fault[] {
  const random = new Random(seed);
  const once = kinds.map((acts) => random.pick(acts));
  const others = random.shuffled(kinds.flat().filter((act) => !once.includes(act)));
  const count = Math.max(kinds.length, Math.round(transactions / TRANSACTIONS_PER_FAULT));
  const acts = [...once, ...others].slice(0, count);
  while (acts.length < count) acts.push(random.pick(random.pick(kinds)));
  return random.shuffled(acts).map((act, index) => ({
    ...act,
    ms: act.kind === 'kill' && isProcess(act.target) ? 0 : random.integer(...LASTS_MS[act.kind]),
    afterEnded: Math.floor(((index + 1) / (count + 1)) * transactions * 0.95),
    orAfterMs: random.integer(...PATIENCE_MS),
  }));
}

export function isProcess(target: Fault['target']): target is ProcessName {
  return [...workers, ...callers].some((name) => name === target);
}

export const lanes = ['durable', 'lean', 'direct', 'grouped'] as const;
export type Lane = (typeof lanes)[number];

/** How one transaction is called: lanes, deadlines and retries are mixed, by the seed too. */
export interface CallPlan {
  readonly lane: Lane;
  readonly retries: number;
  readonly deadline: number;
  /** It is asked for twice at the same time, the second time in this lane. */
  readonly rival?: Lane;
}

/** Which lanes the transactions of a run take. */
export const laneChoices = ['mixed', ...lanes] as const;
export type LaneChoice = (typeof laneChoices)[number];

/** One in so many is asked for twice. */
const RIVALS = 4;

/**
 * Plans for transactions, each with the lanes that it has; where it has not the one that is chosen, it takes any. Some
 * deadlines pass in a long outage; the others outlive everything.
 */
export function planCalls(seed: number, transactions: readonly (readonly Lane[])[], choice: LaneChoice): CallPlan[] {
  const random = new Random(seed ^ 0x5eed);
  return transactions.map((has) => {
    const lane = () => (choice === 'mixed' || !has.includes(choice) ? random.pick(has) : choice);
    return {
      lane: lane(),
      retries: random.pick([0, 1, 3]),
      deadline: random.pick([8_000, 120_000, 120_000, 120_000]),
      ...(random.integer(1, RIVALS) === 1 && { rival: lane() }),
    };
  });
}
