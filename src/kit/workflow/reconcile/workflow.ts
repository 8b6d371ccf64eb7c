import { ActivityFailure, ApplicationFailure, rootCause } from '@temporalio/common';
import {
  defineQuery,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { Alarm } from '../alarms.js';
import { raiseAlarm } from '../alarms-workflow.js';
import { refuseEarlyLooks } from '../early-look.js';
import {
  findingId,
  foremost,
  MOST_CASES,
  MOST_FINDINGS,
  RECONCILE_PROGRESS,
  shared,
  type Finding,
  type FindingState,
  type Judged,
  type NamedPair,
  type PairReport,
  type ReconcileActivities,
  type ReconcileOrder,
  type ReconcileProgress,
  type ReconcileReport,
  type RepairOrder,
} from './reconcile.js';

/**
 * Reconciliation: all pairs are compared, one after the other; then what differed is looked at again; then it is repaired, if that was asked;
 * then what no program may repair, or could not, is taken to the desk, where it raises its alarm. The second look is after the first looks
 * of all pairs: what was on its way has most likely arrived by then, and nobody has to wait for it.
 *
 * States of a run: comparing → looking again → (repairing) → (opening cases) → ended. What it cannot do of one pair it says, and does of all
 * others. Nothing but a repair and a case changes anything, and both are once for each finding, whichever run finds it: so a run can be
 * ended, and begun again, at any moment.
 */

/** How long a run waits until its alarms are handed over, in milliseconds. */
const ALARMS_MS = 60_000;
const DAY_MS = 24 * 60 * 60_000;

const reading = proxyActivities<ReconcileActivities>({
  startToCloseTimeout: '4 hours',
  // A worker that dies is noticed soon, and another one goes on at the chunk where it was.
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 5 },
});
const acting = proxyActivities<ReconcileActivities>({
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '2 minutes',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 5 },
});

interface Found extends Omit<PairReport, 'repaired' | 'left'>, Pick<Judged, 'left'> {
  readonly findings: readonly Finding[];
  readonly keys: readonly string[];
}

/** @throws ApplicationFailure `InvalidInput` for a pair that is not there, and an order to repair that does not say who and why */
export async function reconcile(order: ReconcileOrder = {}): Promise<ReconcileReport> {
  refuseEarlyLooks();
  const { since, repair, youngMs, desk = repair !== undefined } = order;
  for (const [name, value] of Object.entries(repair ?? {})) {
    if (value.trim() === '')
      throw ApplicationFailure.nonRetryable(`a repair needs ${name}: a text that is not empty`, 'InvalidInput');
  }
  const pairs = await reading['backstitch.reconcilePairs'](order.pairs);
  let progress: ReconcileProgress = { done: 0, total: 2 * pairs.length };
  const goOn = (pair: string) => {
    setCurrentDetails(`${progress.done} of ${progress.total}: ${pair}`);
    progress = { ...progress, pair };
  };
  setHandler(defineQuery<ReconcileProgress>(RECONCILE_PROGRESS), () => progress);
  const step = () => (progress = { ...progress, done: progress.done + 1 });

  const compared: Found[] = [];
  for (const pair of pairs) {
    goOn(pair.name);
    compared.push(await compare(pair, { since, youngMs }));
    step();
  }
  const judged: Found[] = [];
  for (const found of compared) {
    goOn(found.pair);
    judged.push(await judgeAgain(found, { since, youngMs }));
    step();
  }

  let findings = shared(
    judged.map(({ findings }) => findings),
    MOST_FINDINGS.report,
  );
  const countOf = (pair: string, state: FindingState) =>
    findings.filter((finding) => finding.pair === pair && finding.state === state).length;
  // Of those that are told of it may be known only now, when each is asked of by its id.
  const listed = new Map(judged.map(({ pair, left = 0 }) => [pair, left - countOf(pair, 'left')]));
  if (repair !== undefined) findings = await repairAll(findings, { ...repair, youngMs });
  // Where nothing is to be opened it is looked up which of them a person has.
  const told = await acting['backstitch.openDriftCases'](findings, desk ? MOST_CASES : 0, youngMs);
  const { opened } = told;
  findings = [...told.findings];
  if (desk) await tell(findings, judged);
  const reports = judged.map(
    ({ pair, what, rows, candidates, agreed, inFlight, drift, tookMs, failure }): PairReport => {
      return {
        ...{ pair, what, rows, candidates, agreed, inFlight, drift, tookMs },
        ...{ repaired: countOf(pair, 'repaired'), left: (listed.get(pair) ?? 0) + countOf(pair, 'left') },
        ...(failure !== undefined && { failure }),
      };
    },
  );
  return {
    startedAt: workflowInfo().runStartTime.getTime(),
    endedAt: Date.now(),
    ...(since !== undefined && { since }),
    repaired: repair !== undefined,
    pairs: reports,
    findings,
    opened,
    isClean: reports.every(
      ({ failure, drift, repaired, left }) => failure === undefined && sumOf(drift) === repaired + left,
    ),
  };
}

async function compare({ name, what }: NamedPair, order: Pick<ReconcileOrder, 'since' | 'youngMs'>): Promise<Found> {
  try {
    return { pair: name, what, ...(await reading['backstitch.comparePair']({ ...order, pair: name })) };
  } catch (error) {
    const none = {
      rows: [0, 0],
      candidates: 0,
      keys: [],
      findings: [],
      drift: {},
      agreed: 0,
      inFlight: 0,
      tookMs: 0,
    } as const;
    return { pair: name, what, ...none, failure: whyOf(error) };
  }
}

async function judgeAgain(found: Found, order: Pick<ReconcileOrder, 'since' | 'youngMs'>): Promise<Found> {
  if (found.keys.length === 0) return found;
  try {
    return joined(found, await reading['backstitch.judgePair']({ ...order, pair: found.pair }, found.keys));
  } catch (error) {
    return { ...found, failure: whyOf(error) };
  }
}

function joined(found: Found, { findings, drift, agreed, inFlight, left = 0 }: Judged): Found {
  const all = { ...found.drift };
  for (const [name, count] of Object.entries(drift)) all[name] = (all[name] ?? 0) + count;
  return {
    ...found,
    findings: foremost([...found.findings, ...findings]),
    left: (found.left ?? 0) + left,
    drift: all,
    agreed: found.agreed + agreed,
    inFlight: found.inFlight + inFlight,
    keys: [],
  };
}

/** Pair by pair: what one of them cannot repair keeps nothing from the others. */
async function repairAll(findings: readonly Finding[], by: Omit<RepairOrder, 'pair' | 'findings'>): Promise<Finding[]> {
  const repaired: Finding[] = [];
  for (const pair of new Set(findings.map((finding) => finding.pair))) {
    const own = findings.filter((finding) => finding.pair === pair);
    try {
      repaired.push(...(await acting['backstitch.repairDrift']({ pair, findings: own, ...by })));
    } catch (error) {
      repaired.push(...own.map((finding) => ({ ...finding, state: 'not-repaired' as const, note: whyOf(error) })));
    }
  }
  return repaired;
}

/** @throws what is no failure of an activity: whoever has cancelled the run, say */
function whyOf(error: unknown): string {
  if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
  return rootCause(error) ?? error.message;
}

/**
 * What a repair is known for is no case: one alarm a day tells of all of it. So does one of pairs that could not be compared: nobody looks at the report of a run that a schedule has begun.
 */
async function tell(findings: readonly Finding[], pairs: readonly Found[]): Promise<void> {
  const at = Date.now();
  const alarms: Alarm[] = [];
  const ids = findings.filter(({ state }) => state === 'repairable').map(findingId);
  if (ids.length > 0) {
    const first = ids.slice(0, 10).join(', ');
    const message = `${ids.length} findings can be repaired by reconcile --repair, the first: ${first}`;
    alarms.push({
      id: `drift/repairable/${Math.floor(at / DAY_MS)}/${ids.length}/${first}`,
      kind: 'drift',
      at,
      message,
    });
  }
  const failed = pairs.flatMap(({ pair, failure }) => (failure === undefined ? [] : [`${pair}: ${failure}`]));
  if (failed.length > 0) {
    const message = `${failed.length} pairs could not be compared, the first: ${failed.slice(0, 3).join('; ')}`;
    alarms.push({ id: `drift/not-compared/${Math.floor(at / DAY_MS)}`, kind: 'drift', at, message });
  }
  if (alarms.length === 0) return;
  // To raise an alarm is to send a signal: where that does not work, the report still tells.
  await Promise.race([Promise.allSettled(alarms.map(raiseAlarm)), sleep(ALARMS_MS)]);
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
