import assert from 'node:assert/strict';
import { Program } from '../../support/program.js';
import { transpiled } from '../../support/transpiled.js';
import { until } from '../../support/until.js';
import { linesOf } from '../support.js';
import { SaleWorld } from './world.js';

/** 200 buyers in four processes, each of which decides its own together. */
const PROCESSES = 4;
const BUYERS = 50;

describe('a flash sale with 200 buyers at once for 100 units', function () {
  this.timeout(120_000);
  const world = new SaleWorld();
  const envOf = (fault?: string): Record<string, string> => ({
    DATABASE_URL_INVENTORY: world.test.urls.inventory,
    DATABASE_URL_ORDERS: world.test.urls.orders,
    BACKSTITCH_POOL_SIZE: '4',
    ...(fault !== undefined && { BACKSTITCH_FAULTS: fault }),
  });
  /** Runs the processes; of each, what it was told of its purchases. */
  const run = async (sale: string, faultOf: (process: number) => string | undefined) => {
    const programs = Array.from({ length: PROCESSES }, (_, n) => {
      const args = [sale, String(n * BUYERS), String(BUYERS)];
      return new Program(transpiled('test/activities/sale/buyers-program.ts'), args, envOf(faultOf(n)), { ipc: true });
    });
    await Promise.all(programs.map((program) => program.printed(/ready/)));
    // Those that will die go first, by a hair: some of what there is they have.
    const [early, late] = [0, 1].map((is) => programs.filter((_, n) => Number(faultOf(n) === undefined) === is));
    for (const { child } of early ?? []) child.send('buy');
    if (early?.length) await until(async () => (await world.books(sale)).waiting > 0);
    for (const { child } of late ?? []) child.send('buy');
    const ends = await Promise.all(programs.map(({ ended }) => ended));
    const lines = programs.flatMap(({ stdout }) => stdout.split('\n').filter((line) => line.startsWith(sale)));
    const heard = new Map(lines.map((line) => line.split(/ (.*)/) as [string, string]));
    return { ends, heard, stderr: programs.map(({ stderr }) => stderr).join('') };
  };
  const count = (heard: ReadonlyMap<string, string>, what: string) =>
    [...heard.values()].filter((each) => each === what).length;

  it('sells 100, and never 101', async () => {
    const sale = await world.open(100);
    const { heard, stderr } = await run(sale, () => undefined);
    assert.deepEqual([heard.size, count(heard, 'sold'), count(heard, 'sold out')], [200, 100, 100], stderr);
    const { waiting, left, opened } = await world.books(sale);
    assert.deepEqual([waiting, left, opened], [100, 0, 100]);
    assert.deepEqual(await world.orders(sale), { unpaid: 100 });
    assert.deepEqual(linesOf(await world.plain['books.prove']()), []);
  });

  it('sells fewer where processes are killed between deduct and submit, until that is reclaimed; then all of it', async () => {
    const sale = await world.open(100);
    // Two of four die as soon as one of their purchases is deducted: with all that they had under way.
    const { ends, heard } = await run(sale, (n) => (n < 2 ? 'inventory.occupy.action:kill-after-commit' : undefined));
    assert.deepEqual(ends, ['SIGKILL', 'SIGKILL', 0, 0]);
    const { waiting, left } = await world.books(sale);
    const submitted = (await world.orders(sale)).unpaid ?? 0;
    assert.ok(waiting + left === 100 && submitted <= waiting, `${submitted} orders, ${waiting} occupied, ${left} left`);
    assert.ok(submitted < 100, 'what the dead had deducted has no order');
    assert.ok(count(heard, 'sold') <= submitted);

    for (const [id, answer] of heard) if (answer === 'sold') await world.test.shop.sale.pay(id, `pay-${id}`);
    await world.makeDue(sale);
    const reclaimed = await world.reclaim();
    assert.equal(reclaimed.failedCount, 0);
    assert.equal(reclaimed.released, waiting - count(heard, 'sold'));
    // What was reclaimed is sold again, to the last one.
    const again = await Promise.all(
      Array.from({ length: 150 }, (_, n) =>
        world.test.shop.sale.buy({ id: `${sale}-again-${n}`, sale, customerId: `again-${n}`, units: 1 }),
      ),
    );
    assert.equal(again.filter(({ answer }) => answer === 'sold').length, 100 - count(heard, 'sold'));
    const books = await world.books(sale);
    assert.deepEqual([books.sold + books.waiting, books.left], [100, 0]);
    assert.deepEqual(linesOf(await world.plain['books.prove']()), []);
  });
});
