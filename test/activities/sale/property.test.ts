import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createSaleOrders } from '../../../src/activities/orders/sale.js';
import { createOccupancy, reclaimDue } from '../../../src/kit/database/index.js';
import { linesOf } from '../support.js';
import { SaleWorld } from './world.js';

/** Runs, in CI; more of them are run by whoever asks for it. */
const RUNS = Number(process.env.SALE_RUNS ?? 60);
const UNITS = 4;

/** Somebody who buys, pays or reclaims, and stands still before and after each statement until it is told to go on. Or it never is: it is dead. */
class Actor {
  #go: (() => void) | undefined;
  #arrived: () => void = () => undefined;
  isDone = false;

  /** @param work calls `gate` where it is to stand still */
  start(work: (gate: () => Promise<void>) => Promise<void>): Promise<void> {
    return this.#until(() => {
      const gate = () =>
        new Promise<void>((resolve) => {
          this.#go = resolve;
          this.#arrived();
        });
      void work(gate).finally(() => {
        this.isDone = true;
        this.#arrived();
      });
    });
  }

  /** Goes on to the next place, or to its end. */
  async step(): Promise<void> {
    if (!this.isDone) await this.#until(() => this.#go?.());
  }

  #until(begin: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#arrived = resolve;
      begin();
    });
  }
}

const id = fc.nat({ max: 3 });
const move = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('buy' as const), id }) },
  // At once, to its end: so that there is something to pay for.
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('bought' as const), id }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('pay' as const), id }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reclaim' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('due' as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const) }) },
  {
    weight: 16,
    arbitrary: fc.record({ kind: fc.constant('step' as const), who: fc.nat(), times: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('die' as const), who: fc.nat() }) },
);

describe('a flash sale, in any order of buying, paying, dying, reclaiming and closing', function () {
  this.timeout(Math.max(120_000, RUNS * 2_000));
  const world = new SaleWorld();

  it(`never sells more than it has, and ends with each unit paid for or free (${RUNS} runs)`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(move, { minLength: 5, maxLength: 60 }), async (moves) => {
        const sale = await world.open(UNITS, { perCustomer: 3 });
        const { inventory, orders } = world.test.databases;
        const occupancy = createOccupancy(inventory);
        const saleOrders = createSaleOrders(orders);
        const alive: Actor[] = [];
        /** By which payment each was. */
        const paid = new Map<string, string>();
        let payments = 0;
        const failures: string[] = [];
        const nameOf = (n: number) => `${sale}-${n}`;

        const begin = async (work: (gate: () => Promise<void>) => Promise<void>) => {
          const actor = new Actor();
          alive.push(actor);
          await actor.start(work);
        };
        const check = async () => {
          const { sold, waiting, left, returned } = await world.books(sale);
          assert.equal(sold + waiting + left + returned, UNITS);
          const standing = await world.test.sql<{ units: number }>(
            'orders',
            `select coalesce(sum(units), 0)::int as units from sale_orders where sale = $1 and status in ('unpaid', 'paid')`,
            [sale],
          );
          assert.ok((standing[0]?.units ?? 0) <= UNITS, `${standing[0]?.units} units have orders that stand`);
        };
        for (const each of moves) {
          const actor = 'who' in each && alive.length > 0 ? alive[each.who % alive.length] : undefined;
          if (each.kind === 'buy' || each.kind === 'bought') {
            const purchase = { id: nameOf(each.id), sale, customerId: `c${each.id % 2}`, units: 1 + (each.id % 2) };
            const buy = (gate?: () => Promise<void>) => world.process(gate).buy(purchase, { withinMs: 600_000 });
            if (each.kind === 'bought') await buy();
            else {
              await begin(async (gate) => {
                await buy(gate);
              });
            }
          } else if (each.kind === 'pay') {
            const payment = `pay-${++payments % 3}`;
            await begin(async (gate) => {
              const answer = await world.process(() => gate()).pay(nameOf(each.id), payment, { withinMs: 600_000 });
              if (answer.answer !== 'sold') return;
              const by = paid.get(answer.id) ?? payment;
              if (by !== payment) failures.push(`${answer.id} was paid by ${by} and by ${payment}`);
              paid.set(answer.id, by);
            });
          } else if (each.kind === 'reclaim') {
            await begin(async (gate) => {
              await gate();
              const { failed } = await reclaimDue(occupancy, {
                bar: async (rows) => {
                  await gate();
                  const answers = await saleOrders.bar(rows);
                  await gate();
                  return answers;
                },
              });
              failures.push(...failed.map(({ message }) => message));
            });
          } else if (each.kind === 'due') {
            await world.makeDue(sale, nameOf(each.id));
          } else if (each.kind === 'close') {
            await world.plain['sale.close']({ sale });
          } else if (actor !== undefined) {
            if (each.kind === 'step') for (let n = 0; n < each.times; n++) await actor.step();
            if (each.kind === 'die' || actor.isDone) alive.splice(alive.indexOf(actor), 1);
          }
          await check();
        }
        // Those who are alive come to their ends, and what the dead have left is taken back.
        for (let steps = 0; alive.some(({ isDone }) => !isDone); steps++) {
          assert.ok(steps < 1_000, 'somebody goes on for ever');
          for (const actor of alive) await actor.step();
        }
        assert.deepEqual(failures, []);
        await world.makeDue(sale);
        assert.equal((await world.reclaim()).failedCount, 0);
        await world.plain['sale.close']({ sale });
        await world.plain['sale.settle']();
        const { state, sold, waiting, left, returned } = await world.books(sale);
        assert.deepEqual([state, sold + returned, waiting, left], ['settled', UNITS, 0, 0]);
        const rows = await occupancy.look([0, 1, 2, 3].map(nameOf));
        for (const each of paid.keys()) assert.equal(rows.get(each)?.state, 'consumed', `${each} was paid`);
      }),
      { numRuns: RUNS },
    );
    assert.deepEqual(linesOf(await world.plain['books.prove']()), []);
  });
});
