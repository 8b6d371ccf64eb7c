import { MAX_DIFFERENCES } from '../../contracts/shop.js';
import type { Database } from '../../kit/database/index.js';
import { safeInteger } from '../integers.js';
import { entriesByOrderSql, imbalancesSql, totalsSql, type Ledger } from '../ledger.js';
import type { Findings } from './findings.js';
import { streamByOrder, type OrderRow } from './pages.js';

/** The net amounts of an order's entries in a ledger: of the balance, and of what is frozen. */
export interface EntriesRecord extends OrderRow {
  net: string;
  frozen: string;
}

/** How the books read a ledger. */
export function readLedger(database: Database, ledger: Ledger) {
  const { accounts, key } = ledger;
  return {
    /** What came in from outside, not by an order; what all accounts hold; and what is frozen besides. */
    async totals(): Promise<{ opened: number; held: number; frozen: number }> {
      type Row = { opened: string; held: string; frozen: string };
      const [row] = await database.run<Row>(totalsSql(ledger));
      return {
        opened: safeInteger(row?.opened ?? 0, `the sum of what ${accounts} began with`),
        held: safeInteger(row?.held ?? 0, `the sum of ${accounts}`),
        frozen: safeInteger(row?.frozen ?? 0, `what is frozen of ${accounts}`),
      };
    },

    /** The net amounts of each order's entries. */
    entries: (): AsyncGenerator<EntriesRecord> => streamByOrder(database, entriesByOrderSql(ledger)),

    /** Proves each account on its own: its figures are the sums of its entries, and not negative. */
    async prove(findings: Findings): Promise<void> {
      type Row = { key: string; name: string; found: string; entered: string; count: number };
      const rows = await database.run<Row>(imbalancesSql(ledger), [MAX_DIFFERENCES]);
      for (const row of rows) {
        const subject = `${key} ${row.key}`;
        const figure = `${accounts}.${row.name}`;
        if (row.found === row.entered) {
          findings.compare(`${figure} is not negative`, subject, '0 or more', row.found);
        } else {
          findings.compare(`${figure} is the sum of its entries`, subject, row.entered, row.found);
        }
      }
      findings.addUnlisted((rows[0]?.count ?? 0) - rows.length);
    },
  };
}
