import { proxyActivities } from '@temporalio/workflow';
import { wasNeverTried } from '../calls.js';
import { TELL_AGENT, type AgentStatus, type Telling } from './protocol.js';

/** One attempt of a message, at most, in milliseconds: the next one goes over another connection. */
const ATTEMPT_MS = 10_000;
/** Attempts of a message that has to be answered in time, at least. */
const ATTEMPTS = 3;

/**
 * Says something to an agent, and again, for so many milliseconds.
 *
 * @returns where the agent stands, once it has done what it was told
 * @throws TemporalFailure: what became of it is not known
 */
export function tell(telling: Telling, withinMs: number): Promise<AgentStatus> {
  const activities = proxyActivities<Record<typeof TELL_AGENT, (telling: Telling) => Promise<AgentStatus>>>({
    startToCloseTimeout: Math.ceil(Math.min(ATTEMPT_MS, withinMs / ATTEMPTS)),
    scheduleToCloseTimeout: withinMs,
    // Tells a message that no worker has tried to send.
    scheduleToStartTimeout: Math.ceil(withinMs * 0.9),
    retry: { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 5_000 },
    summary: `${telling.message} ${telling.branch}`,
  });
  return activities[TELL_AGENT](telling);
}

/** As {@link tell}; a window in which no worker was there to send it does not count. */
export function tellPatiently(telling: Telling, windowMs: number): Promise<AgentStatus> {
  return tell(telling, windowMs).catch((error: unknown) => {
    if (wasNeverTried(error)) return tellPatiently(telling, windowMs);
    throw error;
  });
}
