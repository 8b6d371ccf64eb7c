import { setTimeout as sleep } from 'node:timers/promises';
import { createGuard, type Database, type Probe } from '../../../../src/kit/database/index.js';
import type { Operation, Undoable } from '../../../../src/kit/workflow/index.js';

/** A participant whose database counts what was done. */
export interface Counter {
  count: Undoable<{ by: number }, { counted: number }>;
}

/** Holds a local attempt at a point of its life, longer than it has. */
export function holdsLocal(at: Parameters<Probe>[0], seen: (operation: Operation) => void): Probe {
  return async (point, operation) => {
    if (point !== at || operation.timeoutMs > 3_000) return;
    seen(operation);
    await sleep(2 * operation.timeoutMs);
  };
}

export function counter(db: Database, probe: Probe): Counter {
  const guard = createGuard(db, { probe });
  const statement = 'insert into ledger (gid, amount) values ($1, $2)';
  return {
    count: {
      action: (operation, { by }) =>
        guard.apply(operation, { by }, async (sql) => {
          await sql(statement, [operation.gid, by]);
          return { counted: by };
        }),
      compensation: (operation, { by }) =>
        guard.undo(operation, { by }, async (sql) => {
          await sql(statement, [operation.gid, -by]);
        }),
    },
  };
}
