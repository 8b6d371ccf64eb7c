import type { Journal, JournalRow } from '../../workflow/journal.js';
import type { StateRow } from '../../workflow/state-table/row.js';
import { stateBranches, stateReport, transactionStateOf } from '../../workflow/state-table/view.js';
import type { ShownCall, ShownTransaction } from './shown.js';

const iso = (ms: number) => new Date(ms).toISOString();

/**
 * A row of a state table as a transaction is shown. A call that was not answered is in none of the databases: what failed last is with
 * its branch.
 *
 * @param callOf how a guard's row is shown
 */
export function shownState(
  { gid, rows, home }: Journal,
  row: StateRow,
  callOf: (row: JournalRow, ended: boolean) => ShownCall,
): ShownTransaction {
  const { createdAt, endedAt, dueAt, driver, decisions, rounds, results } = row;
  const report = stateReport(row);
  const isEnded = endedAt !== undefined;
  return {
    ...{ gid, scheme: 'state', state: transactionStateOf(row), transaction: '', lane: 'state-table' },
    summary: `${row.state}: ${row.done} of ${row.calls.length} done${rounds === 0 ? '' : `, ${rounds} rounds of the scan`}`,
    driver: {
      ...{ kind: 'process', owner: driver, who: rows.at(-1)?.who, home },
      takeOverAt: dueAt === undefined ? undefined : iso(dueAt),
    },
    startedAt: iso(createdAt),
    ...(isEnded && { endedAt: iso(endedAt) }),
    branches: stateBranches(row).map(({ branch, seq, operation, summary, state, failure }) => {
      const own = rows.filter((each) => each.seq === seq).map((each) => callOf(each, isEnded));
      const isTold = own.length > 0 || failure === undefined;
      return {
        ...{
          branch,
          seq,
          operation,
          summary: isTold ? summary : `${summary} (${failure.type}: ${failure.message})`,
          state,
        },
        calls: own,
      };
    }),
    ...{ desk: [], decisions, operations: [], workerAnswered: true },
    ...(report && { report }),
    ...(row.state === 'success' && { result: results }),
  };
}
