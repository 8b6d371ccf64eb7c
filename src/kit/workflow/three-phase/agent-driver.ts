import type { Op } from '../branch.js';
import type { Desk } from '../desk.js';
import type { Judgement } from '../saga/driver.js';

/** What carries an agent: a workflow, or a test. */
export interface AgentDriver {
  readonly desk: Desk;
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Asks the participant: within so many milliseconds, or patiently, for a window. Rejects where it refuses, or nobody knows.
   *
   * @param settle it is only looked what was done; what was not is barred
   */
  ask(op: Op, args: readonly unknown[], within: number | 'patiently', settle?: true): Promise<unknown>;
  /** Says what is known of a question that failed. */
  judge(error: unknown): Judgement;
  /** Waits until something has happened, for so many milliseconds at most. @returns whether it has */
  until(happened: () => boolean, ms?: number): Promise<boolean>;
  /** Told after each change. */
  changed(): void;
  /** Told when it has decided by itself: people may ask. */
  list(): void;
}
