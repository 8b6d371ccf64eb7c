import type { AppliedStep } from '../../workflow/fate.js';
import { fromJson } from '../guard/json.js';
import type { Database } from '../sql.js';
import { readWithin } from './read-within.js';
import { appliedSteps } from './statements.js';

/** A step that was applied, or may have been. */
export interface AppliedRow extends AppliedStep {
  readonly driver: string;
  /** Whether it had opened the transaction for its group, from which a workflow has taken it over. */
  readonly taken: boolean;
  readonly undone: boolean;
}

/** Reads the steps of a transaction that were applied in this database, or may have been, the newest first. */
export async function readApplied(db: Database, gid: string): Promise<AppliedRow[]> {
  type Row = Omit<AppliedRow, 'input' | 'result'> & { readonly input: string | null; readonly result: string | null };
  const rows = await readWithin<Row>(db, appliedSteps, [gid]);
  return rows.map(({ input, result, ...row }) => ({ ...row, input: fromJson(input), result: fromJson(result) }));
}
