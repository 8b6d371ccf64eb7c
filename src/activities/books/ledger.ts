import { MAX_DIFFERENCES } from '../../contracts/shop.js';
import type { Database } from '../../kit/database/index.js';
import { safeInteger } from '../integers.js';
import { entriesByOrderSql, imbalancesSql, totalsSql, type Ledger } from '../ledger.js';
import type { Findings } from './findings.js';
import { streamByOrder, type OrderRow } from './pages.js';

/** The net amount of an order's entries in a ledger. */
export interface EntriesRecord extends OrderRow {
  net: string;
}

/** How the books read a ledger. */
export function readLedger(database: Database, ledger: Ledger) {
  const { accounts, key, balance } = ledger;
  return {
    /** What came in from outside, not by an order; and what all accounts hold. */
    async totals(): Promise<{ opened: number; held: number }> {
      const [row] = await database.run<{ opened: string; held: string }>(totalsSql(ledger));
      return {
        opened: safeInteger(row?.opened ?? 0, `the sum of what ${accounts} began with`),
        held: safeInteger(row?.held ?? 0, `the sum of ${accounts}`),
      };
    },

    /** The net amount of each order's entries. */
    entries: (): AsyncGenerator<EntriesRecord> => streamByOrder(database, entriesByOrderSql(ledger)),

    /** Proves each account on its own: it is the sum of its entries, and not negative. */
    async prove(findings: Findings): Promise<void> {
      type Row = { key: string; balance: string; entered: string; count: number };
      const rows = await database.run<Row>(imbalancesSql(ledger), [MAX_DIFFERENCES]);
      for (const row of rows) {
        const subject = `${key} ${row.key}`;
        if (row.balance === row.entered) {
          findings.compare(`${accounts}.${balance} is not negative`, subject, '0 or more', row.balance);
        } else {
          findings.compare(`${accounts}.${balance} is the sum of its entries`, subject, row.entered, row.balance);
        }
      }
      findings.addUnlisted((rows[0]?.count ?? 0) - rows.length);
    },
  };
}
