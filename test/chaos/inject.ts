import type { Fault } from './faults.js';
import type { Progress } from './progress.js';

/** A fault as it happened. Times are milliseconds since the first transaction was asked for. */
export interface FaultRecord {
  readonly fault: Fault;
  /** What it waited for: so many ended transactions, or the time after which a run that stands still goes on. */
  readonly by: 'progress' | 'time';
  readonly beganMs: number;
  /** Transactions that had ended when it began. */
  readonly ended: number;
  /** Until it was over and all was up again. Absent: the run was over before. */
  overMs?: number;
}

/** What {@link inject} needs. */
export interface Injection {
  readonly apply: (fault: Fault) => Promise<void>;
  readonly progress: Progress;
  readonly since: number;
  readonly onFault: (record: FaultRecord) => void;
  readonly signal: AbortSignal;
}

/**
 * Does the faults by their schedule. Those of one target come one after the other, those of several may overlap.
 * Resolves when all of them are over.
 *
 * @throws what a fault throws that cannot be done, or undone
 */
export async function inject(plan: readonly Fault[], injection: Injection): Promise<void> {
  const { apply, progress, since, onFault, signal } = injection;
  const targets = new Map<string, Promise<void>>();
  let failed: Error | undefined;
  for (const fault of plan) {
    const by = await progress.reached(fault.afterEnded, fault.orAfterMs);
    if (signal.aborted || failed !== undefined) break;
    const before = targets.get(fault.target) ?? Promise.resolve();
    const work = before.then(async () => {
      const record: FaultRecord = { fault, by, beganMs: Date.now() - since, ended: progress.ended };
      onFault(record);
      await apply(fault);
      record.overMs = Date.now() - since;
    });
    targets.set(
      fault.target,
      work.catch((error: unknown) => {
        failed ??= error instanceof Error ? error : new Error(String(error));
      }),
    );
  }
  await Promise.all(targets.values());
  if (failed !== undefined) throw failed;
}
