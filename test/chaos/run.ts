import type { Client } from '@temporalio/client';
import { Latencies } from '../../src/client/latency.js';
import { proveBooks } from '../../src/client/shop.js';
import { describeTransaction } from '../../src/client/words.js';
import { showTransaction } from '../../src/kit/client/index.js';
import { unlessAborted } from '../../src/signals.js';
import { CUTS, takeCuts } from './cut.js';
import { businesses, type BusinessName, type Wanted } from './business/index.js';
import { Callers } from './callers.js';
import { askForAll, type Answer } from './customers.js';
import { callers, planFaults, workers, type Fault, type LaneChoice } from './faults.js';
import { inject, type FaultRecord } from './inject.js';
import { look } from './look.js';
import { Progress } from './progress.js';
import { tally, type RunReport } from './report.js';
import { openStage, type Stage } from './stage.js';
import { judge, type Evidence } from './verdict.js';

/** What a run is asked to do. */
export interface RunOptions {
  readonly seed: number;
  /** What is asked for, and how often. */
  readonly business: BusinessName;
  readonly transactions: number;
  /** Transactions under way at a time. */
  readonly concurrency: number;
  readonly lane: LaneChoice;
  /** The whole run takes no longer; then it has failed. */
  readonly minutes: number;
  /** The folder that keeps the servers' data and logs; emptied first. */
  readonly state: string;
  readonly onProgress: (line: string) => void;
}

/** Transactions that are shown when they have not come to their end. */
const MAX_SHOWN = 5;
/** What is left for looking at a run that was not done in time, in milliseconds. */
const AFTERMATH_MS = 60_000;

/**
 * One run: real transactions, the faults of the seed's schedule while they run, and the verdict when all is up again.
 *
 * @throws if the servers cannot be started at all
 */
export async function chaosRun(options: RunOptions): Promise<RunReport> {
  const begun = Date.now();
  const business = businesses[options.business];
  const wanted = await business.wanted(options.seed, options.transactions, options.lane);
  const plan = planFaults(options.seed, wanted.length);
  const over = new AbortController();
  const timer = setTimeout(() => {
    over.abort(new Error(`the run was not done within ${options.minutes} minutes`));
  }, options.minutes * 60_000);
  const stage = await openStage(options.state, options.onProgress);
  const faults: FaultRecord[] = [];
  const asked = new Set<string>();
  const answers = new Map<string, Answer>();
  const problems: string[] = [];
  let cuts = 0;
  try {
    const onCut = () => {
      cuts++;
    };
    const running = { plan, faults, asked, answers, problems, over, onCut };
    await disturb(stage, wanted, options, running).catch((error: unknown) => {
      problems.push(messageOf(error));
      over.abort(error);
    });
    const evidence = await collect(
      stage,
      options.business,
      wanted.filter(({ gid }) => asked.has(gid)),
      answers,
      over.signal,
    ).catch((error: unknown) => {
      problems.push(`what is left cannot be looked at: ${messageOf(error)}`);
      return undefined;
    });
    if (asked.size < wanted.length)
      problems.push(`${wanted.length - asked.size} ${options.business} were never asked for`);
    if (cuts < CUTS) problems.push(`everything was looked at in the midst of the run ${cuts} times, not ${CUTS}`);
    if (evidence) problems.push(...judge(evidence));
    problems.push(...stage.deaths.map(messageOf));
    return {
      seed: options.seed,
      business: options.business,
      transactions: wanted.length,
      lane: options.lane,
      passed: problems.length === 0,
      problems,
      plan,
      faults,
      cuts,
      ...tally(answers, evidence?.states ?? new Map(), wanted),
      latencyMs: latenciesOf(answers),
      books: evidence?.books,
      endedByThemselves: stage.crew.endedByThemselves,
      shown: evidence ? await showUnfinished(stage.client, evidence) : [],
      state: stage.state,
      seconds: Math.round((Date.now() - begun) / 100) / 10,
    };
  } finally {
    clearTimeout(timer);
    over.abort();
    await stage.stop();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface Running {
  readonly plan: readonly Fault[];
  readonly faults: FaultRecord[];
  readonly asked: Set<string>;
  readonly answers: Map<string, Answer>;
  readonly problems: string[];
  readonly over: AbortController;
  /** Told of each moment at which everything was looked at. */
  readonly onCut: () => void;
}

/** Opens what is asked of, runs the transactions and does the faults, until all of both are over and all workers and callers serve. */
async function disturb(
  stage: Stage,
  wanted: readonly Wanted[],
  { business, concurrency, onProgress }: RunOptions,
  { plan, faults, asked, answers, problems, over, onCut }: Running,
): Promise<void> {
  const { crew } = stage;
  const { signal } = over;
  await unlessAborted(businesses[business].open(stage, wanted), signal);

  const progress = new Progress(wanted.length);
  const since = Date.now();
  const injected = inject(plan, {
    apply: (fault) => stage.apply(fault),
    progress,
    since,
    signal,
    onFault: (record) => {
      faults.push(record);
      const { kind, target, ms } = record.fault;
      const at = ((Date.now() - since) / 1000).toFixed(1);
      onProgress(
        `${at} s: ${progress.ended} of ${wanted.length} ${business} ended: ${kind} ${target}${ms > 0 ? ` for ${ms} ms` : ''}`,
      );
    },
  });
  /** Why those who have no answer have none. */
  const again = new Map<string, string>();
  const answered = askForAll(wanted, {
    callers: new Callers(crew),
    concurrency,
    signal,
    onAsked: (gid) => {
      asked.add(gid);
    },
    onAnswer: (answer) => {
      answers.set(answer.gid, answer);
      progress.step();
      again.delete(answer.gid);
    },
    onAgain: (gid, reason) => {
      if (!answers.has(gid)) again.set(gid, reason);
    },
    onContradiction: (line) => {
      problems.push(line);
    },
  });
  const cutting = takeCuts({
    ...{ place: stage, crew, progress, signal },
    look: (place) => businesses[business].always(place, wanted),
    onCut,
    onProblem: (line) => {
      problems.push(line);
    },
  });
  const rest = new AbortController();
  const meanwhile = businesses[business].meanwhile?.(stage, AbortSignal.any([signal, rest.signal]));
  const serving = () => Promise.all([...workers, ...callers].map((name) => crew.serving(name)));
  try {
    await unlessAborted(Promise.all([cutting, injected, answered]), signal);
    await unlessAborted(serving(), signal);
    rest.abort();
    await unlessAborted(Promise.resolve(meanwhile), signal);
    await unlessAborted(Promise.resolve(businesses[business].settle?.(stage, signal)), signal);
  } catch (error) {
    problems.push(...[...again].map(([gid, reason]) => `${gid}: its customer heard at last: ${reason}`));
    // What was taken down comes up again, so that what is left can be looked at.
    await unlessAborted(Promise.allSettled([injected.then(serving)]), AbortSignal.timeout(AFTERMATH_MS));
    throw error;
  } finally {
    rest.abort();
  }
  onProgress(`${((Date.now() - since) / 1000).toFixed(1)} s: all faults are over, all customers have their answer`);
}

/** Looks at everything; waits for transactions that have not come to their end for as long as the run may take. */
async function collect(
  stage: Stage,
  business: BusinessName,
  wanted: readonly Wanted[],
  answers: ReadonlyMap<string, Answer>,
  signal: AbortSignal,
): Promise<Evidence> {
  const found = await look(businesses[business], stage, wanted, signal);
  const patience = AbortSignal.timeout(AFTERMATH_MS);
  const books = await unlessAborted(proveBooks(stage.client, stage.temporal), patience).catch(() => undefined);
  const asked = new Map(wanted.map(({ gid, transaction }) => [gid, transaction]));
  return { asked, mix: businesses[business].mix, answers, ...found, books };
}

/** What a person needs who wants to know why they hang. */
async function showUnfinished(client: Client, { states }: Evidence): Promise<string[]> {
  const hanging = [...states].filter(([, state]) => state !== 'none' && !['committed', 'compensated'].includes(state));
  const shown: string[] = [];
  for (const [gid] of hanging.slice(0, MAX_SHOWN)) {
    // A purchase is no transaction of its own; and what cannot be shown is said, not thrown: the run's report comes after it.
    const text = await showTransaction(client, gid).then(describeTransaction, messageOf);
    shown.push(text);
  }
  return shown;
}

function latenciesOf(answers: ReadonlyMap<string, Answer>): RunReport['latencyMs'] {
  const latencies = new Latencies();
  for (const { ms } of answers.values()) latencies.record(ms);
  return { p50: latencies.quantile(0.5), p99: latencies.quantile(0.99), max: latencies.max };
}
