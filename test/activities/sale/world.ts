import { randomUUID } from 'node:crypto';
import type { OpenSale, SaleAnswer, SaleBooks } from '../../../src/contracts/sale.js';
import { createSale } from '../../../src/activities/sale/index.js';
import type { Probe } from '../../../src/kit/database/index.js';
import { openTestShop, stockUp, type TestShop } from '../support.js';

/** A shop with 10,000 units in stock, opened before the tests of a group, which each have sales of their own. */
export class SaleWorld {
  #test: TestShop | undefined;

  constructor() {
    before(async () => {
      this.#test = await openTestShop();
      await stockUp(this.#test);
      await this.#test.shop.plain['inventory.deliver']({ sku: 'cd', units: 10_000 });
    });
    after(() => this.test.close());
  }

  get test(): TestShop {
    if (this.#test === undefined) throw new Error('the shop is not open yet');
    return this.#test;
  }

  get plain() {
    return this.test.shop.plain;
  }

  /** A process of its own that buys: another one decides nothing together with it. */
  process(probe?: Probe) {
    return createSale(this.test.databases, { probe });
  }

  /** Opens a sale of a name of its own. */
  async open(units: number, given: Partial<OpenSale> = {}): Promise<string> {
    const sale = `sale-${randomUUID().slice(0, 8)}`;
    await this.plain['sale.open']({ sale, sku: 'cd', units, cents: 100, holdMs: 1_800_000, ...given });
    return sale;
  }

  async books(sale: string): Promise<SaleBooks> {
    const books = await this.plain['sale.books']({ sale });
    if (books === null) throw new Error(`there is no sale ${sale}`);
    return books;
  }

  /** As if so much time had passed that what is occupied is due: all of a sale, or one purchase of it. */
  async makeDue(sale: string, id?: string): Promise<void> {
    const text = `update backstitch.occupancy set due_at = occupied_at
      where pool = $1 and id = coalesce($2, id) and state = 'occupied'`;
    await this.test.sql('inventory', text, [sale, id ?? null]);
  }

  /** All rounds of reclaiming that there are to make. */
  async reclaim() {
    const total = { due: 0, released: 0, consumed: 0, failedCount: 0 };
    let after: { at: string; id: string } | undefined;
    do {
      const done = await this.plain['sale.reclaim']({ after });
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += done[name];
      after = done.next;
    } while (after !== undefined);
    return total;
  }

  /** Status of a sale's orders, counted. */
  async orders(sale: string): Promise<Record<string, number>> {
    const rows = await this.test.sql<{ status: string; count: number }>(
      'orders',
      'select status, count(*)::int as count from sale_orders where sale = $1 group by status',
      [sale],
    );
    return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
  }
}

/** How often each answer was heard; a refusal by its reason. */
export function tally(answers: readonly SaleAnswer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const what = answer.answer === 'refused' ? answer.why : answer.answer;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}
