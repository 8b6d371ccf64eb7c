import { formatCents } from '../../contracts/money.js';
import { chargeSchema, giveBackSchema, type Charge, type GiveBack } from '../../contracts/services.js';
import { Rejection, type Guard, type Operation, type Sql, type Statement } from '../../kit/database/index.js';
import type { Forward, TryConfirmCancel, Undoable } from '../../kit/workflow/participant.js';
import { safeInteger } from '../integers.js';
import { validInput } from '../input.js';
import type { PaymentRecord } from './books.js';
import {
  CAPTURE_FROZEN,
  CHARGE,
  CHARGE_AT_ONCE,
  FREEZE,
  FREEZE_AT_ONCE,
  PAYMENT_STATUS,
  REFUND,
  REFUND_AT_ONCE,
  THAW,
} from './sql.js';

/** What charging a wallet answers. */
export interface Charged {
  paymentId: string;
}

/** The payments service: customers' wallets, and what orders take from them. */
export function createPayments({ guard }: { guard: Guard }) {
  /** Takes an amount out of a wallet, or freezes it there: by this statement, or with the guard's row in one. */
  const taking =
    (statement: string, atOnce: Statement) =>
    (operation: Operation, input: Charge): Promise<Charged> =>
      guard.apply(
        operation,
        input,
        (sql) => take(sql, statement, validInput(chargeSchema, input)),
        () => {
          const { orderId, customerId, amount } = validInput(chargeSchema, input);
          return { statement: atOnce, values: [orderId, customerId, amount] };
        },
      );

  /** Takes the amount. Rejections: `InsufficientFunds`, `UnknownCustomer`, `AlreadyPaid`, `PaymentGivenBack`, `InvalidInput`. */
  const charge = {
    action: taking(CHARGE, CHARGE_AT_ONCE),
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

  /** Ends what is frozen for an order. */
  const ending =
    (statement: string) =>
    async (sql: Sql, { orderId, customerId }: Charge) => {
      const [row] = await sql<{ amount: number }>(statement, [orderId, customerId]);
      if (row) return row.amount;
      throw new Rejection(
        'NotFrozen',
        `nothing is frozen for order ${orderId}: its payment is ${await statusOf(sql, orderId)}`,
      );
    };
  const capture = ending(CAPTURE_FROZEN);
  const thaw = ending(THAW);

  /** Freezes the amount, which can then be spent by nothing else; then takes it, or thaws it. Rejections as {@link charge}. */
  const freeze = {
    try: taking(FREEZE, FREEZE_AT_ONCE),
    confirm: (operation, input) =>
      guard.confirm(operation, input, async (sql) => ({ captured: await capture(sql, input) })),
    cancel: (operation, input) => guard.undo(operation, input, async (sql) => ({ thawed: await thaw(sql, input) })),
  } satisfies TryConfirmCancel<Charge, Charged>;

  return { charge, refund, freeze };
}

export type Payments = ReturnType<typeof createPayments>;

/** Takes an amount out of a wallet. @throws Rejection as `charge`: nothing has changed */
export function chargeWallet(sql: Sql, charge: Charge): Promise<Charged> {
  return take(sql, CHARGE, charge);
}

async function take(sql: Sql, statement: string, { orderId, customerId, amount }: Charge): Promise<Charged> {
  type Row = { balance: string; payment_id: string | null };
  const [row] = await sql<Row>(statement, [orderId, customerId, amount]);
  if (!row) throw new Rejection('UnknownCustomer', `customer ${customerId} has no wallet (order ${orderId})`);
  if (row.payment_id !== null) return { paymentId: row.payment_id };
  const status = await paymentStatus(sql, orderId);
  if (status === 'refunded')
    throw new Rejection(
      'PaymentGivenBack',
      `the payment of order ${orderId} was given back, its money is in the wallet; it is not paid twice: order anew`,
    );
  if (status !== undefined) throw new Rejection('AlreadyPaid', `order ${orderId} was paid before`);
  throw tooLittle({ orderId, customerId, amount }, row.balance);
}

/** Too little is in a wallet. @param balance cents, as the database gives them */
export function tooLittle({ orderId, customerId, amount }: Charge, balance: string): Rejection {
  const has = formatCents(safeInteger(balance, 'the balance'));
  return new Rejection(
    'InsufficientFunds',
    `customer ${customerId} has ${has}, order ${orderId} costs ${formatCents(amount)}`,
  );
}

/** The state of an order's payment, if there is one. */
export async function paymentStatus(sql: Sql, orderId: string): Promise<PaymentRecord['status'] | undefined> {
  const [payment] = await sql<Pick<PaymentRecord, 'status'>>(PAYMENT_STATUS, [orderId]);
  return payment?.status;
}

async function giveBack(sql: Sql, { orderId, customerId }: GiveBack): Promise<{ refunded: number }> {
  const [row] = await sql<{ refunded: number }>(REFUND, [orderId, customerId]);
  if (row) return row;
  const status = await statusOf(sql, orderId);
  throw new Rejection('NotCaptured', `the payment of order ${orderId} cannot be refunded: it is ${status}`);
}

async function statusOf(sql: Sql, orderId: string): Promise<string> {
  return (await paymentStatus(sql, orderId)) ?? 'not there';
}
