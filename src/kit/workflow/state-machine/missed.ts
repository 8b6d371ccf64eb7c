import { proxyActivities } from '@temporalio/workflow';
import { judge } from '../calls.js';
import { FORWARD_WINDOW_MS } from '../retry.js';
import { FETCH_MISSED, type Came, type FetchMissed, type Missed } from './carried.js';
import type { Telling } from './telling.js';

const { [FETCH_MISSED]: fetch } = proxyActivities<FetchMissed>({
  startToCloseTimeout: '2 minutes',
  scheduleToCloseTimeout: FORWARD_WINDOW_MS,
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds' },
});

/**
 * Fetches messages that had come to runs which were ended from outside, in their sequence. It asks until it has them: what comes later must
 * not go before. What is lost with a run's history, people are told.
 */
export async function fetchMissed(id: string, more: readonly Missed[], telling: Telling): Promise<Came[]> {
  const all: Came[] = [];
  for (const missed of more) {
    for (let next: Missed | undefined = missed; next !== undefined;) {
      const found: Awaited<ReturnType<typeof fetch>> = await patiently(id, next, telling);
      if (found === null) {
        const what = `messages that came to run ${next.runId} are lost, as its history is gone: look at what has sent it messages`;
        telling.alarm('failed', `missed.${next.runId}`, what);
      }
      all.push(...(found?.messages ?? []));
      next = found?.next;
    }
  }
  return all;
}

async function patiently(id: string, missed: Missed, telling: Telling): ReturnType<typeof fetch> {
  for (;;) {
    try {
      return await fetch(id, missed);
    } catch (error) {
      const { type, message } = judge(error);
      const what = `messages that came to run ${missed.runId} cannot be fetched: ${type}: ${message}`;
      telling.alarm('stuck', `missed.${missed.runId}`, what);
      // It tries again at once, as an activity has its own pauses: a run that does nothing is taken for one that has seen to all it was given.
    }
  }
}
