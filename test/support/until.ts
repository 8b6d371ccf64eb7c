import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until something holds, asking every 10 ms.
 *
 * @throws Error when it does not hold after `limitMs`, in milliseconds: default a minute, far above what is waited for
 */
export async function until(holds: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`has not come about within ${limitMs} ms: ${holds.toString()}`);
    await delay(10);
  }
}
