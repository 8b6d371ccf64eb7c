/** The time for a wait is over; what was waited for goes on. */
export class TimeIsOver extends Error {}

/** `setTimeout` takes no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Calls when it is `until`, in milliseconds since 1970, or after 24 days. */
export function atTime(until: number, call: () => void): NodeJS.Timeout {
  return setTimeout(call, Math.min(Math.max(until - Date.now(), 0), MAX_TIMER_MS));
}

/**
 * Waits for no longer than a caller wants to.
 *
 * @param until milliseconds since 1970
 * @throws TimeIsOver when there is nothing by then
 */
export async function within<T>(coming: Promise<T>, until: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = atTime(until, () => {
      reject(new TimeIsOver());
    });
  });
  try {
    return await Promise.race([coming, over]);
  } finally {
    clearTimeout(timer);
  }
}
