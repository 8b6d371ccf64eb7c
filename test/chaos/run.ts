import type { Client } from '@temporalio/client';
import { Latencies } from '../../src/client/latency.js';
import { readOrders } from '../../src/client/orders-file.js';
import { openShop, proveBooks } from '../../src/client/shop.js';
import { describeTransaction } from '../../src/client/words.js';
import { orderGid, type PlaceOrder } from '../../src/contracts/place-order.js';
import { showTransaction } from '../../src/kit/client/index.js';
import { unlessAborted } from '../../src/signals.js';
import { Callers } from './callers.js';
import { askForOrders, type Answer } from './customers.js';
import { callers, planFaults, planOrders, workers, type Fault, type LaneChoice } from './faults.js';
import { inject, type FaultRecord } from './inject.js';
import { look } from './look.js';
import { Progress } from './progress.js';
import { tally, type RunReport } from './report.js';
import { openStage, type Stage } from './stage.js';
import { judge, type Evidence } from './verdict.js';

/** What a run is asked to do. */
export interface RunOptions {
  readonly seed: number;
  readonly orders: number;
  /** Orders under way at a time. */
  readonly concurrency: number;
  readonly lane: LaneChoice;
  /** The whole run takes no longer; then it has failed. */
  readonly minutes: number;
  /** The folder that keeps the servers' data and logs; emptied first. */
  readonly state: string;
  readonly onProgress: (line: string) => void;
}

/** What the customers begin with: some cannot pay, and the stock runs short near the end. */
const OPENING = { walletCents: 20_000, points: 1_000, sku: 'cd', stockShare: 0.65 };
/** Transactions that are shown when they have not come to their end. */
const MAX_SHOWN = 5;
/** What is left for looking at a run that was not done in time, in milliseconds. */
const AFTERMATH_MS = 60_000;

/**
 * One run: real orders, the faults of the seed's schedule while they are placed, and the verdict when all is up again.
 *
 * @throws if the servers cannot be started at all
 */
export async function chaosRun(options: RunOptions): Promise<RunReport> {
  const begun = Date.now();
  const orders = await readOrders('examples/orders.csv', { limit: options.orders });
  const plan = planFaults(options.seed, orders.length);
  const over = new AbortController();
  const timer = setTimeout(() => {
    over.abort(new Error(`the run was not done within ${options.minutes} minutes`));
  }, options.minutes * 60_000);
  const stage = await openStage(options.state, options.onProgress);
  const faults: FaultRecord[] = [];
  const asked: string[] = [];
  const answers = new Map<string, Answer>();
  const problems: string[] = [];
  try {
    await disturb(stage, orders, options, { plan, faults, asked, answers, problems, over }).catch((error: unknown) => {
      problems.push(messageOf(error));
      over.abort(error);
    });
    const evidence = await collect(stage, asked, answers, over.signal).catch((error: unknown) => {
      problems.push(`what is left cannot be looked at: ${messageOf(error)}`);
      return undefined;
    });
    if (asked.length < orders.length) problems.push(`${orders.length - asked.length} orders were never asked for`);
    if (evidence) problems.push(...judge(evidence));
    problems.push(...stage.deaths.map(messageOf));
    return {
      seed: options.seed,
      orders: orders.length,
      lane: options.lane,
      passed: problems.length === 0,
      problems,
      plan,
      faults,
      ...tally(answers, evidence?.states ?? new Map()),
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
  readonly asked: string[];
  readonly answers: Map<string, Answer>;
  readonly problems: string[];
  readonly over: AbortController;
}

/** Opens the shop, places the orders and does the faults, until all of both are over and all workers and callers serve. */
async function disturb(
  stage: Stage,
  orders: readonly PlaceOrder[],
  { seed, lane, concurrency, onProgress }: RunOptions,
  { plan, faults, asked, answers, problems, over }: Running,
): Promise<void> {
  const { client, temporal, crew } = stage;
  const { signal } = over;
  const customers = [...new Set(orders.map(({ customerId }) => customerId))];
  const units = Math.floor(orders.reduce((sum, order) => sum + order.units, 0) * OPENING.stockShare);
  await unlessAborted(openShop(client, temporal, { ...OPENING, customers, units }), signal);

  const progress = new Progress(orders.length);
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
        `${at} s: ${progress.ended} of ${orders.length} orders ended: ${kind} ${target}${ms > 0 ? ` for ${ms} ms` : ''}`,
      );
    },
  });
  const answered = askForOrders(orders, {
    callers: new Callers(crew),
    options: planOrders(seed, orders.length, lane),
    concurrency,
    signal,
    onAsked: (orderId) => {
      asked.push(orderId);
    },
    onAnswer: (answer) => {
      answers.set(answer.orderId, answer);
      progress.step();
    },
    onContradiction: (line) => {
      problems.push(line);
    },
  });
  const serving = () => Promise.all([...workers, ...callers].map((name) => crew.serving(name)));
  try {
    await unlessAborted(Promise.all([injected, answered]), signal);
    await unlessAborted(serving(), signal);
  } catch (error) {
    // What was taken down comes up again, so that what is left can be looked at.
    await unlessAborted(Promise.allSettled([injected.then(serving)]), AbortSignal.timeout(AFTERMATH_MS));
    throw error;
  }
  onProgress(`${((Date.now() - since) / 1000).toFixed(1)} s: all faults are over, all customers have their answer`);
}

/** Looks at everything; waits for transactions that have not come to their end for as long as the run may take. */
async function collect(
  stage: Stage,
  orderIds: readonly string[],
  answers: ReadonlyMap<string, Answer>,
  signal: AbortSignal,
): Promise<Evidence> {
  const found = await look(stage.client, stage.databaseUrl('orders'), orderIds, signal);
  const patience = AbortSignal.timeout(AFTERMATH_MS);
  const books = await unlessAborted(proveBooks(stage.client, stage.temporal), patience).catch(() => undefined);
  return { orderIds, answers, ...found, books };
}

/** What a person needs who wants to know why they hang. */
async function showUnfinished(client: Client, { states }: Evidence): Promise<string[]> {
  const hanging = [...states].filter(([, state]) => state !== 'none' && !['committed', 'compensated'].includes(state));
  const shown: string[] = [];
  for (const [orderId] of hanging.slice(0, MAX_SHOWN)) {
    shown.push(describeTransaction(await showTransaction(client, orderGid(orderId))));
  }
  return shown;
}

function latenciesOf(answers: ReadonlyMap<string, Answer>): RunReport['latencyMs'] {
  const latencies = new Latencies();
  for (const { ms } of answers.values()) latencies.record(ms);
  return { p50: latencies.quantile(0.5), p99: latencies.quantile(0.99), max: latencies.max };
}
