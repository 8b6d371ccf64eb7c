import type { Branch } from '../../workflow/branch.js';
import type { Database } from '../sql.js';
import { toJson } from './json.js';
import { limitsOf } from './limits.js';
import { beginAnew, conclude, readIntents } from './outbound-statements.js';
import { byPhase, UNDOS, type StoredRow } from './rows.js';

/** How long storing what was found may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/**
 * Stores what a person found out at the other side about an operation that was {@link Undecidable}; then it can be asked
 * again.
 *
 * @param found what the operation would have returned; `undefined`: it never happened, and cannot happen any more. Then
 * an action is barred, and an undo is begun anew, with another key
 * @throws an Error if the operation waits for no answer: it is not there, or was decided meanwhile; nothing is changed
 */
export async function recordFound(
  db: Database,
  { gid, branch, op }: Pick<Branch, 'gid' | 'branch' | 'op'>,
  found: { readonly result: unknown } | undefined,
): Promise<void> {
  const phase = UNDOS.includes(op) ? 2 : 1;
  const json = toJson(found?.result);
  const limits = limitsOf({ timeoutMs: TIMEOUT_MS });
  const rows = byPhase(await db.run<StoredRow & { round: number }>(readIntents, [gid, branch]));
  const row = phase === 1 ? rows.first : rows.second;
  if (row?.op === op && row.outcome === 'intent') {
    const key = [gid, branch, phase, row.round];
    const written =
      phase === 2 && found === undefined
        ? await db.run(beginAnew, [...key, null, ...limits])
        : await db.run(conclude, [...key, found === undefined ? 'barred' : 'applied', json, null, ...limits]);
    if (written.length > 0) return;
  }
  const state = row === undefined ? 'nothing is there of it' : `its outcome is '${row.outcome}', as ${row.op}`;
  throw new Error(`${op} of branch '${branch}' in ${gid} waits for no answer: ${state}`);
}
