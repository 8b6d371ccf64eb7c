import type { Database, Guard } from '../../src/kit/database/index.js';
import type { Operation, Undoable } from '../../src/kit/workflow/index.js';

/** How the undo of the step `first` is broken. */
export const flaws = ['none', 'not-idempotent', 'no-bar'] as const;
export type Flaw = (typeof flaws)[number];

/** What a step leaves: a mark, which its undo takes back by an opposite one. */
export const marksSql = 'create table marks (gid text not null, step text not null, mark integer not null)';

/** A participant that sets marks. */
export function createMarks(database: Database, guard: Guard, flaw: Flaw) {
  const mark = { text: 'insert into marks (gid, step, mark) values ($1, $2, $3)' };
  const whole = {
    action: (operation, step) => guard.apply(operation, step, (sql) => sql(mark.text, [operation.gid, step, 1])),
    compensation: (operation, step) => guard.undo(operation, step, (sql) => sql(mark.text, [operation.gid, step, -1])),
  } satisfies Undoable<string, unknown>;
  /** What many write: the undo looks after itself, without a guard. */
  const careless = async ({ gid }: Operation, step: string): Promise<unknown> =>
    flaw === 'not-idempotent'
      ? database.run(mark.text, [gid, step, -1])
      : database.run('delete from marks where gid = $1 and step = $2', [gid, step]);
  return {
    first: flaw === 'none' ? whole : { ...whole, compensation: careless },
    second: whole,
    turn: { action: whole.action },
  };
}

export type Marks = ReturnType<typeof createMarks>;
