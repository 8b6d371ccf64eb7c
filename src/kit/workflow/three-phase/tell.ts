import { proxyActivities } from '@temporalio/workflow';
import { judge, wasNeverTried } from '../calls.js';
import type { TransactionReport } from '../failure.js';
import { isAtAnotherDesk } from './split.js';
import { FIND_COMPARISON, TELL_AGENT, type AgentStatus, type ComparisonOf, type Telling } from './protocol.js';

/** One attempt of a message, at most, in milliseconds: the next one goes over another connection. */
const ATTEMPT_MS = 10_000;
/** Attempts of a message that has to be answered in time, at least. */
const ATTEMPTS = 3;
/** How long it is looked for a comparison, in milliseconds: a person is to hear of a split soon, though an address cannot be reached. */
const LOOK_MS = 60_000;

/**
 * Says something to an agent, and again, for so many milliseconds.
 *
 * @returns where the agent stands, once it has done what it was told
 * @throws TemporalFailure: what became of it is not known
 */
export function tell(telling: Telling, withinMs: number): Promise<AgentStatus> {
  return within(withinMs, `${telling.message} ${telling.branch}`)[TELL_AGENT](telling);
}

/** As {@link tell}; a window in which no worker was there to send it does not count. */
export function tellPatiently(telling: Telling, windowMs: number): Promise<AgentStatus> {
  return patiently(() => tell(telling, windowMs));
}

/**
 * Looks for the agents' comparison, and if there is one waits, as patiently, until it has ended.
 *
 * @returns how it ended; undefined if there is none
 * @throws TemporalFailure: it waits for a person still, or it could not be looked for
 */
export async function findComparison(of: ComparisonOf, windowMs: number): Promise<TransactionReport | undefined> {
  const find = (ms: number) => patiently(() => within(ms, 'look for a comparison')[FIND_COMPARISON](of));
  try {
    return await find(Math.min(LOOK_MS, windowMs));
  } catch (error) {
    if (windowMs <= LOOK_MS || !isAtAnotherDesk(judge(error))) throw error;
    return find(windowMs);
  }
}

interface Activities {
  readonly [TELL_AGENT]: (telling: Telling) => Promise<AgentStatus>;
  readonly [FIND_COMPARISON]: (of: ComparisonOf) => Promise<TransactionReport | undefined>;
}

function within(withinMs: number, summary: string) {
  return proxyActivities<Activities>({
    startToCloseTimeout: Math.ceil(Math.min(ATTEMPT_MS, withinMs / ATTEMPTS)),
    scheduleToCloseTimeout: withinMs,
    // Tells a message that no worker has tried to send.
    scheduleToStartTimeout: Math.ceil(withinMs * 0.9),
    retry: { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 5_000 },
    summary,
  });
}

function patiently<Result>(ask: () => Promise<Result>): Promise<Result> {
  return ask().catch((error: unknown) => {
    if (wasNeverTried(error)) return patiently(ask);
    throw error;
  });
}
