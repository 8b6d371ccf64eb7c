import { BOOK_BOUGHT, merchantAccount, purchaseGid, type PurchaseSide } from '../../../contracts/bookstore.js';
import { bankNames, type BankName } from '../../../contracts/transfer.js';
import { readBoth, type Database, type Drift, type Guard, type Pair, type Side } from '../../../kit/database/index.js';
import { bankOutbox } from '../../banks/messages.js';
import { sidedPair } from '../local.js';
import { SINCE } from '../orders.js';
import type { Banks } from './transfers.js';

/** What both sides of a purchase have done, and the customer's bank says of them. */

const PREFIX = purchaseGid('');

/** A purchase is debited at its price. */
export function purchasesDebits(banks: Banks): Pair {
  const parts = (rows: string): Side => ({ parts: Object.values(banks).map((database) => ({ database, rows })) });
  return sidedPair({
    name: 'purchases-debits',
    what: 'what a customer was debited for a purchase is its price',
    by: 'ranges',
    gidsOf: (gid) => [gid],
    nouns: ['price', 'debited'],
    sides: [
      parts(`select gid as key, account || ' ' || cents as value from purchases where bought_at >= ${SINCE}`),
      parts(
        `select gid as key, account || ' ' || -amount as value from entries
        where kind = 'debit' and account <> 'clearing' and starts_with(gid, '${PREFIX}') and entered_at >= ${SINCE}`,
      ),
    ],
    classes: {
      missing: ['purchase-not-debited', 'a purchase was made, and nobody was debited for it'],
      surplus: ['debit-without-purchase', 'a customer was debited for a purchase that is not there'],
      differs: ['purchase-debit-differs', 'a customer was debited another price, twice, or at another account'],
    },
  });
}

const contents: Readonly<Record<PurchaseSide, string>> = {
  warehouse: `book || ' ' || copies`,
  merchant: 'cents::text',
};

/** What the customer's bank wants of a side, and says of it: what was given up is not wanted. */
const wanted = (side: PurchaseSide) => `
select gid as key, ${contents[side]} as value from purchases where ${side} <> 'given up' and bought_at >= ${SINCE}`;

const did: Readonly<Record<PurchaseSide, string>> = {
  warehouse: `select gid as key, book || ' ' || copies as value from parcels where taken_at >= ${SINCE}`,
  merchant: `
select gid as key, amount::text as value from entries
where account = '${merchantAccount.account}' and kind = 'credit' and starts_with(gid, '${PREFIX}') and entered_at >= ${SINCE}`,
};

const names = {
  warehouse: {
    name: 'purchases-parcels',
    what: 'the warehouse has sent what was bought, and nothing else',
    missing: ['purchase-without-parcel', 'the warehouse has acknowledged a purchase, and has sent nothing'],
    surplus: ['parcel-without-purchase', 'the warehouse has sent what nobody has bought, or was given up'],
    differs: ['parcel-differs', 'the warehouse has sent something else than was bought'],
    untold: ['warehouse-not-told', 'the warehouse has not done its part, and no message tells it to'],
  },
  merchant: {
    name: 'purchases-credits',
    what: 'the merchant was credited the price of what was bought, and nothing else',
    missing: ['purchase-not-credited', 'the merchant has acknowledged a purchase, and was credited nothing'],
    surplus: ['credit-without-purchase', 'the merchant was credited for what nobody has bought, or was given up'],
    differs: ['purchase-credit-differs', 'the merchant was credited another price, or twice'],
    untold: ['merchant-not-told', 'the merchant has not done its part, and no message tells it to'],
  },
} as const;

/** A purchase of which a side has not done its part, at its customer's bank. */
interface Untold {
  readonly bank: BankName;
  readonly gid: string;
  readonly book: string;
  readonly copies: number;
  readonly cents: string;
}

/** A side has done its part of each purchase that says so, and will of those that are in progress. */
export function purchasesSide(
  side: PurchaseSide,
  { banks, of, guardOf }: { banks: Banks; of: Database; guardOf: (bank: BankName) => Guard },
): Pair {
  const { name, what, missing, surplus, differs, untold } = names[side];
  const all = bankNames.map((bank) => [bank, banks[bank]] as const);
  const sides = [
    { parts: all.map(([, database]) => ({ database, rows: wanted(side) })) },
    { parts: [{ database: of, rows: did[side] }] },
  ] as const;
  return {
    name,
    what,
    by: 'ranges',
    classes: {
      [missing[0]]: { what: missing[1] },
      [surplus[0]]: { what: surplus[1] },
      [differs[0]]: { what: differs[1] },
      [untold[0]]: {
        what: untold[1],
        repair: {
          what: 'sends the message again, under its own id',
          sends: true,
          run: ({ key: gid, data }, operation) => {
            const { bank, book, copies, cents } = data as Untold;
            const payload = { gid, cents: Number(cents), book, copies };
            return guardOf(bank).apply(operation, { gid }, (sql) =>
              bankOutbox(bank).addAll(sql, [{ id: gid, topic: BOOK_BOUGHT, payload }]),
            );
          },
        },
      },
    },
    sides,
    gidsOf: (gid) => [gid],
    async judge(gids) {
      const open = `select gid, book, copies, cents::text as cents from purchases where ${side} = 'in progress' and gid = any ($1)`;
      const [both, progress] = await Promise.all([
        readBoth(sides, gids),
        Promise.all(
          all.map(async ([bank, database]) =>
            (await database.run<Omit<Untold, 'bank'>>(open, [gids])).map((row): Untold => ({ bank, ...row })),
          ),
        ),
      ]);
      const opened = new Map(progress.flat().map((row) => [row.gid, row]));
      return [...both].flatMap(([key, { one, other }]): Drift[] => {
        if (one.length === other.length && one[0] === other[0]) return [];
        const detail = `wanted: ${one.join(' and ') || 'nothing'}; done: ${other.join(' and ') || 'nothing'}`;
        if (one.length === 0) return [{ class: surplus[0], key, detail }];
        if (other.length > 0) return [{ class: differs[0], key, detail }];
        const data = opened.get(key);
        return [data === undefined ? { class: missing[0], key, detail } : { class: untold[0], key, detail, data }];
      });
    },
  };
}
