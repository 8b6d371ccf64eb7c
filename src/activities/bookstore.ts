import {
  MAX_PULL_REASONS,
  merchantAccount,
  ofPurchaseSchema,
  ofSideSchema,
  purchaseId,
  type DeliverBook,
  type GiveUp,
  type MissedPurchases,
  type OfPurchase,
  type OfSide,
  type PulledPurchases,
  type PurchaseSide,
  type PurchaseState,
  type Restock,
} from '../contracts/bookstore.js';
import { bankNames, type BankName } from '../contracts/transfer.js';
import { NotYet, SinkUnavailable, type Database, type Sql } from '../kit/database/index.js';
import { answerOf, BankSilent } from './banks/answer.js';
import { giveUpPurchase } from './banks/give-up.js';
import {
  acknowledging,
  merchantSink,
  missedMessages,
  missedPurchases,
  purchaseState,
  type InboxSink,
} from './banks/purchases.js';
import { countMissed } from './banks/purchases-sql.js';
import { validInput } from './input.js';
import { deliverBook, restockBook, warehouseSink } from './warehouse/index.js';

/**
 * The bookstore: what the banks, the warehouse and the merchant have to do with each other. Messages reach a side in two ways, by the relay
 * of the customer's bank, and when the side asks for what it missed: both go through the same inbox, so that each is handled once.
 */

/** The bookstore's databases. */
export interface BookstoreDatabases {
  readonly banks: Readonly<Record<BankName, Database>>;
  /** The banks' by connections that somebody who waits can have. */
  readonly looking: Readonly<Record<BankName, Database>>;
  readonly warehouse: Database;
}

export function createBookstore({ banks, looking, warehouse }: BookstoreDatabases, heartbeat: () => void) {
  const sinks = { warehouse: warehouseSink(warehouse), merchant: merchantSink(banks[merchantAccount.bank]) };
  const sinkOf = (side: PurchaseSide, bank: BankName) => acknowledging(side, sinks[side], banks[bank].run);
  /** Asks a bank for somebody who waits. */
  const asking =
    (bank: BankName): Sql =>
    <Row extends object>(text: string, values?: readonly unknown[]) =>
      answerOf(bank, looking[bank], ({ run }) => run<Row>(text, values));
  return {
    /** Where a bank's messages of purchases go. */
    sinksOf: (bank: BankName) => ({
      warehouse: sinkOf('warehouse', bank),
      merchant: sinkOf('merchant', bank),
    }),

    plain: {
      'warehouse.deliver': (input: DeliverBook): Promise<void> => deliverBook(warehouse, input),
      'warehouse.restock': (input: Restock): Promise<void> => restockBook(warehouse, input),
      'bookstore.purchase': (input: OfPurchase): Promise<PurchaseState | null> =>
        purchaseState(looking, validInput(ofPurchaseSchema, input).id),
      'bookstore.missed': (input: OfSide): Promise<MissedPurchases> =>
        missedPurchases(looking, validInput(ofSideSchema, input).side),
      'bookstore.giveUp': (input: GiveUp): Promise<PurchaseState | null> =>
        giveUpPurchase({ looking, sides: { warehouse, merchant: banks[merchantAccount.bank] } }, input),
      /** Has a side handle all that it missed. A bank that does not answer is named, and holds up no other. */
      'bookstore.pull': async (input: OfSide): Promise<PulledPurchases> => {
        const { side } = validInput(ofSideSchema, input);
        const pulled: PulledPurchases = { side, handled: 0, waiting: 0, failed: 0, reasons: [], unread: [] };
        for (const bank of bankNames) {
          const before = pulled.waiting;
          try {
            // Where the side itself is away, what each bank has for it is counted only.
            if (pulled.down === undefined) await pull(bank, sinks[side], asking(bank), pulled, heartbeat);
            else pulled.waiting += await countOf(asking(bank), side);
          } catch (error) {
            if (error instanceof BankSilent) pulled.unread.push({ bank, message: error.message });
            else if (error instanceof SinkUnavailable) {
              pulled.down = error.message;
              pulled.waiting = before + (await countOf(asking(bank), side).catch(() => 0));
            } else throw error;
          }
        }
        return pulled;
      },
    },
  };
}

/** How many messages of one bank a side has not acknowledged. */
async function countOf(run: Sql, side: PurchaseSide): Promise<number> {
  const [row] = await run<{ count: number }>(countMissed(side));
  return row?.count ?? 0;
}

/** Has a side handle what it missed of one bank: what is not possible yet is left, and counted. @param run asks the bank */
async function pull(
  bank: BankName,
  sink: InboxSink,
  run: Sql,
  pulled: PulledPurchases,
  heartbeat: () => void,
): Promise<void> {
  const acknowledged = acknowledging(pulled.side, sink, run);
  for await (const messages of missedMessages(bank, run, pulled.side)) {
    heartbeat();
    const became = await acknowledged.deliverAll(messages, new AbortController().signal);
    for (const [place, { id: gid }] of messages.entries()) {
      const error = became[place];
      if (error === undefined) pulled.handled += 1;
      else if (error instanceof NotYet) pulled.waiting += 1;
      else pulled.failed += 1;
      if (error !== undefined && pulled.reasons.length < MAX_PULL_REASONS) {
        pulled.reasons.push({ id: purchaseId(gid), message: error.message });
      }
    }
  }
}
