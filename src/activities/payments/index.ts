import { formatCents } from '../../contracts/money.js';
import { chargeSchema, giveBackSchema, type Charge, type GiveBack } from '../../contracts/services.js';
import { Rejection, type Guard, type Sql } from '../../kit/database/index.js';
import type { Forward, Undoable } from '../../kit/workflow/participant.js';
import { safeInteger } from '../integers.js';
import { validInput } from '../input.js';
import { CHARGE, CHARGE_AT_ONCE, PAYMENT_STATUS, REFUND, REFUND_AT_ONCE } from './sql.js';

/** What charging a wallet answers. */
interface Charged {
  paymentId: string;
}

/** The payments service: customers' wallets, and what orders take from them. */
export function createPayments({ guard }: { guard: Guard }) {
  /** Takes the amount. Rejections: `InsufficientFunds`, `UnknownCustomer`, `AlreadyPaid`, `InvalidInput`. */
  const charge = {
    action: (operation, input) =>
      guard.apply(
        operation,
        input,
        async (sql) => {
          const { orderId, customerId, amount } = validInput(chargeSchema, input);
          type Row = { balance: string; payment_id: string | null };
          const [row] = await sql<Row>(CHARGE, [orderId, customerId, amount]);
          if (!row) throw new Rejection('UnknownCustomer', `customer ${customerId} has no wallet (order ${orderId})`);
          if (row.payment_id !== null) return { paymentId: row.payment_id };
          const [payment] = await sql(PAYMENT_STATUS, [orderId]);
          if (payment) throw new Rejection('AlreadyPaid', `order ${orderId} was paid before`);
          const balance = formatCents(safeInteger(row.balance, 'the balance'));
          throw new Rejection(
            'InsufficientFunds',
            `customer ${customerId} has ${balance}, order ${orderId} costs ${formatCents(amount)}`,
          );
        },
        () => {
          const { orderId, customerId, amount } = validInput(chargeSchema, input);
          return { statement: CHARGE_AT_ONCE, values: [orderId, customerId, amount] };
        },
      ),
    /** Gives the amount back. */
    compensation: (operation, input) =>
      guard.undo(
        operation,
        input,
        (sql) => giveBack(sql, input),
        () => ({ statement: REFUND_AT_ONCE, values: [input.orderId, input.customerId] }),
      ),
  } satisfies Undoable<Charge, Charged>;

  /** Gives the amount of an order back that was paid long ago. Rejections: `NotCaptured`, `InvalidInput`. */
  const refund = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => giveBack(sql, validInput(giveBackSchema, input))),
  } satisfies Forward<GiveBack, { refunded: number }>;

  return { charge, refund };
}

export type Payments = ReturnType<typeof createPayments>;

async function giveBack(sql: Sql, { orderId, customerId }: GiveBack): Promise<{ refunded: number }> {
  const [row] = await sql<{ refunded: number }>(REFUND, [orderId, customerId]);
  if (row) return row;
  const [payment] = await sql<{ status: string }>(PAYMENT_STATUS, [orderId]);
  throw new Rejection(
    'NotCaptured',
    `the payment of order ${orderId} cannot be refunded: it is ${payment?.status ?? 'not there'}`,
  );
}
