import type { Purchase } from '../../src/contracts/bookstore.js';
import { ended, type Way } from './ways.js';

/** The paths of purchases: what follows the debit is no part of their workflow. */

export interface PurchaseWay extends Way {
  readonly input: (id: string) => Purchase;
}

const of =
  (cents: number) =>
  (id: string): Purchase => ({ id, from: { bank: 'bank_a', account: 'alice' }, book: 'emma', copies: 1, cents });

export const purchases: Readonly<Record<string, PurchaseWay>> = {
  bought: { input: of(100) },
  'bought-refused': { input: of(1_000_000_000) },
  'bought-settled': { input: of(100), fault: 'bank_a.buy.action:hang=1', then: ended('bank_a.buy.action') },
};
