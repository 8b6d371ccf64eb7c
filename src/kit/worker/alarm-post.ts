import type { Alarm } from '../workflow/alarms.js';

/**
 * Hands alarms to the workflow that delivers them: many in one signal. When thousands of transactions get stuck at once
 * each raises an alarm; a signal each would keep that workflow so busy that the worker's places fill up with what waits for
 * it, and the transactions themselves stand.
 *
 * States of a letter: waiting → under way → handed over, or failed with all that went with it (each is raised again). One
 * signal is under way at a time; what comes meanwhile goes with the next.
 */

interface Letter {
  readonly alarm: Alarm;
  readonly bytes: number;
  readonly handedOver: Promise<void>;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** Alarms of one signal, at most: the server refuses what is larger than 2 MB. */
const MOST = { alarms: 200, bytes: 500_000 };

export class AlarmPost {
  /** By id: an attempt that is made again, while the server is away, finds the letter of the one before. */
  readonly #waiting = new Map<string, Letter>();
  #isUnderWay = false;

  /**
   * Hands an alarm over; resolves when the server has it.
   *
   * @param signal sends alarms in one signal
   * @throws whatever the signal fails with: whether the server has the alarm is not known then
   */
  send(alarm: Alarm, signal: (alarms: readonly Alarm[]) => Promise<unknown>): Promise<void> {
    const letter = this.#waiting.get(alarm.id) ?? letterOf(alarm);
    this.#waiting.set(alarm.id, letter);
    if (!this.#isUnderWay) void this.#sendAll(signal);
    return letter.handedOver;
  }

  async #sendAll(signal: (alarms: readonly Alarm[]) => Promise<unknown>): Promise<void> {
    this.#isUnderWay = true;
    // What is raised in the same turn goes together.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const letters = this.#take();
      try {
        await signal(letters.map(({ alarm }) => alarm));
        for (const { done } of letters) done();
      } catch (error) {
        for (const { failed } of letters) failed(error);
      }
    }
    this.#isUnderWay = false;
  }

  #take(): Letter[] {
    const letters: Letter[] = [];
    let bytes = 0;
    for (const letter of this.#waiting.values()) {
      bytes += letter.bytes;
      if (letters.length > 0 && (letters.length >= MOST.alarms || bytes > MOST.bytes)) break;
      letters.push(letter);
    }
    for (const { alarm } of letters) this.#waiting.delete(alarm.id);
    return letters;
  }
}

function letterOf(alarm: Alarm): Letter {
  let done: Letter['done'] = () => undefined;
  let failed: Letter['failed'] = () => undefined;
  const handedOver = new Promise<void>((resolve, reject) => {
    done = resolve;
    failed = reject;
  });
  // Whoever asked may have given up.
  handedOver.catch(() => undefined);
  return { alarm, bytes: JSON.stringify(alarm).length, handedOver, done, failed };
}
