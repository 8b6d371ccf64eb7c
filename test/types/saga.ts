import {
  participant,
  saga,
  type Forward,
  type Operation,
  type Tx,
  type Undoable,
} from '../../src/kit/workflow/index.js';

/**
 * Wrong use must not compile. Each line below a `@ts-expect-error` is wrong; if one of them compiled, the expectation
 * itself would be the error. Checked by `npm run check` and by types.test.ts; never run.
 */

interface Charge {
  orderId: string;
  amount: number;
}
interface Charged {
  paymentId: string;
}

interface Payments {
  charge: Undoable<Charge, Charged>;
  /** No undo. */
  report: Forward<{ orderId: string }, number>;
  /** Written by hand: the undo forgets that the result may be unknown. */
  careless: {
    action: (operation: Operation, input: Charge) => Promise<Charged>;
    compensation: (operation: Operation, input: Charge, charged: Charged) => Promise<void>;
  };
  /** An undo that needs no result is fine. */
  plain: {
    action: (operation: Operation, input: Charge) => Promise<Charged>;
    compensation: (operation: Operation, input: Charge) => Promise<void>;
  };
  /** The undo is for another input. */
  crossed: {
    action: (operation: Operation, input: Charge) => Promise<Charged>;
    compensation: (operation: Operation, input: { other: boolean }) => Promise<void>;
  };
  /** Not asynchronous. */
  sync: { action: (operation: Operation, input: Charge) => Charged };
}

const payments = participant<Payments>('payments');
const charge: Charge = { orderId: 'o', amount: 1 };

export async function results(tx: Tx): Promise<unknown[]> {
  const charged: Charged = await tx.run('pay', payments.charge, charge);
  const count: number = await tx.pivot('report', payments.report, { orderId: 'o' });
  const again: number = await tx.forward('again', payments.report, { orderId: 'o' });
  const both: [Charged, number] = await tx.parallel(
    () => tx.run('pay-2', payments.charge, charge),
    () => tx.forward('report-2', payments.report, { orderId: 'o' }),
  );
  await tx.run('plain', payments.plain, charge, { summary: 'plain', timeout: '5 seconds', retries: 1, long: true });
  // @ts-expect-error the result is not a string
  const wrong: string = await tx.run('pay-3', payments.charge, charge);
  // @ts-expect-error the first branch answers a charge
  const swapped: [number, number] = both;
  return [charged, count, again, wrong, swapped];
}

export async function undo(tx: Tx): Promise<void> {
  // @ts-expect-error a step before the pivot needs an undo
  await tx.run('report', payments.report, { orderId: 'o' });
  // @ts-expect-error the undo does not accept that the result is unknown
  await tx.run('careless', payments.careless, charge);
  // @ts-expect-error the undo is for another input
  await tx.run('crossed', payments.crossed, charge);
  // @ts-expect-error the action is not asynchronous
  await tx.forward('sync', payments.sync, charge);
}

export async function inputs(tx: Tx): Promise<void> {
  // @ts-expect-error the amount is missing
  await tx.run('pay', payments.charge, { orderId: 'o' });
  // @ts-expect-error the amount is a number
  await tx.run('pay', payments.charge, { orderId: 'o', amount: '1' });
  // @ts-expect-error there is no such field
  await tx.run('pay', payments.charge, { orderId: 'o', amount: 1, currency: 'EUR' });
  // @ts-expect-error there is no such operation
  await tx.run('pay', payments.refund, charge);
  // @ts-expect-error a step has a name
  await tx.run(payments.charge, charge);
  // @ts-expect-error a duration is a number or a text such as '5 seconds'
  await tx.run('pay', payments.charge, charge, { timeout: 'soon' });
}

const typed = saga({ deadline: '10 minutes', lane: 'lean', undo: 'parallel' }, async (tx, input: Charge) => {
  const { paymentId } = await tx.run('pay', payments.charge, input);
  return paymentId;
});
export const result: Promise<string> = typed(charge, { lane: 'durable' });
// @ts-expect-error the saga's input is a charge
export const badInput = typed({ orderId: 'o' });
// @ts-expect-error there is no such lane
export const badLane = typed(charge, { lane: 'fast' });
// @ts-expect-error a deadline is a duration
export const badDeadline = saga({ deadline: 'tomorrow' }, () => Promise.resolve(1));
