import type { Database } from '../../kit/database/index.js';
import { readLedger } from '../books/ledger.js';
import { streamByOrder, type OrderRow } from '../books/pages.js';
import { walletsLedger } from './migrations.js';

/** A payment, as the books read it. */
export interface PaymentRecord extends OrderRow {
  customer_id: string;
  amount: number;
  status: 'frozen' | 'requested' | 'captured' | 'refunded' | 'released' | 'expired';
}

/** How the books read the payments database. */
export function readPayments(database: Database) {
  return {
    wallets: readLedger(database, walletsLedger),
    payments: () =>
      streamByOrder<PaymentRecord>(
        database,
        `select order_id, customer_id, amount, status
         from payments where order_id > $1 order by order_id limit $2`,
      ),
  };
}

export type PaymentsReader = ReturnType<typeof readPayments>;
