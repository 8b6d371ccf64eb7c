import { merchantAccount, type Progress } from '../../contracts/bookstore.js';
import type { Books } from '../../contracts/shop.js';
import type { BankReader, CreditedRecord, PurchaseRecord } from '../banks/books.js';
import { safeInteger } from '../integers.js';
import type { ParcelRecord, WarehouseReader } from '../warehouse/books.js';
import type { Findings } from './findings.js';
import { mergeByOrder } from './merge.js';
import type { OrderRow } from './pages.js';

/** The bookstore's part of the figures. */
type BookstoreFigures = Pick<
  Books['figures'],
  'purchases' | 'purchasesOpen' | 'purchasesGivenUp' | 'booksDelivered' | 'booksInStock' | 'booksTaken'
>;

/** Purchases between two calls of the heartbeat. */
const HEARTBEAT_EVERY = 500;

const NONE = 'none';

interface ProvedPurchases {
  readonly banks: readonly BankReader[];
  readonly warehouse: WarehouseReader;
  readonly findings: Findings;
  readonly heartbeat: () => void;
}

/** Proves every purchase across the banks and the warehouse, and the sum of the warehouse's books. */
export async function provePurchases(proved: ProvedPurchases): Promise<BookstoreFigures> {
  const { banks, warehouse, findings, heartbeat } = proved;
  const merchant = banks.filter(({ name }) => name === merchantAccount.bank);
  const streams: Record<string, AsyncIterable<OrderRow>> = {
    ...Object.fromEntries(banks.map((bank) => [bank.name, bank.purchases()])),
    ...Object.fromEntries(merchant.map((bank) => ['credited', bank.credited()])),
    parcel: warehouse.parcels(),
  };
  const { opened, held } = await warehouse.stock.totals();
  let [purchases, purchasesOpen, purchasesGivenUp, seen] = [0, 0, 0, 0];
  let taken = 0n;
  for await (const { orderId, rows } of mergeByOrder(streams)) {
    const made = banks.flatMap(({ name }) => (rows[name] === undefined ? [] : [rows[name] as PurchaseRecord]));
    const [credited, parcel] = [rows.credited as CreditedRecord | undefined, rows.parcel as ParcelRecord | undefined];
    checkPurchase(orderId, { made, credited, parcel }, findings);
    taken += BigInt(parcel?.copies ?? 0);
    purchases += made.length;
    purchasesOpen += made.filter((purchase) => isOn(purchase, 'in progress')).length;
    purchasesGivenUp += made.filter((purchase) => isOn(purchase, 'given up')).length;
    if ((seen += 1) % HEARTBEAT_EVERY === 0) heartbeat();
  }
  const booksTaken = safeInteger(taken, 'the sum of parcels');
  findings.compare('books in stock + in parcels = delivered', 'warehouse', opened, held + booksTaken);
  return { purchases, purchasesOpen, purchasesGivenUp, booksDelivered: opened, booksInStock: held, booksTaken };
}

function isOn({ warehouse, merchant }: PurchaseRecord, progress: Progress): boolean {
  return warehouse === progress || merchant === progress;
}

/**
 * What was debited is the price; what the merchant was credited is that too, and the parcel is what was bought. A side that has not
 * acknowledged its part may have done it, or not yet: neither is a difference, but that it has done something else is. A side that was
 * given up has done nothing.
 */
function checkPurchase(
  id: string,
  { made, credited, parcel }: { made: PurchaseRecord[]; credited?: CreditedRecord; parcel?: ParcelRecord },
  findings: Findings,
): void {
  const agree = (check: string, expected: string, found: string) => {
    findings.compare(check, `purchase ${id}`, expected, found);
  };
  const [purchase] = made;
  const [isCredited, isSent] = [credited?.cents ?? NONE, parcel === undefined ? NONE : wordsOf(parcel)];
  if (purchase === undefined) {
    agree('what the merchant was credited belongs to a purchase', NONE, isCredited);
    agree('a parcel of books belongs to a purchase', NONE, isSent);
    return;
  }
  agree('a purchase is made at one bank', '1', String(made.length));
  agree('what was debited is the price', purchase.cents, purchase.debited ?? NONE);
  const due = (progress: Progress, expected: string, found: string) =>
    progress === 'done' || (progress === 'in progress' && found !== NONE) ? expected : NONE;
  agree('the merchant was credited the price', due(purchase.merchant, purchase.cents, isCredited), isCredited);
  agree('the parcel is what was bought', due(purchase.warehouse, wordsOf(purchase), isSent), isSent);
}

function wordsOf({ copies, book }: ParcelRecord | PurchaseRecord): string {
  return `${copies} ${book}`;
}
