import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { LogEntry } from '../../src/kit/workflow/index.js';
import { testDatabase, type TestDatabase } from '../support/servers.js';
import { openClientWorld, type ClientWorld } from './support.js';

interface ShownLog {
  gid: string;
  entries: LogEntry[];
  notes: string[];
}

describe('the command log', function () {
  this.timeout(120_000);
  for (const kept of [true, false]) {
    describe(kept ? 'with an operations database' : 'without an operations database', () => {
      let world: ClientWorld;
      let operations: TestDatabase | undefined;
      before(async () => {
        if (kept) operations = await testDatabase('operations');
        world = await openClientWorld('payments.charge.action:fail=1', operations?.url);
        const file = await world.ordersFile([{ customerId: 'c1' }]);
        assert.equal((await world.run('shop', 'open', '--file', file, '--stock', '1')).code, 0);
      });
      after(async () => {
        await world.close();
        await operations?.drop();
      });

      const place = async (lane: string): Promise<string> => {
        const orderId = randomUUID().slice(0, 8);
        // More than there is: the payment goes back, and the order is cancelled.
        const order = JSON.stringify({ orderId, customerId: 'c1', units: 5, amount: 100 });
        assert.equal((await world.run('order', 'place', '--order', order, '--lane', lane)).code, 1);
        return `order-${orderId}`;
      };

      for (const lane of ['durable', 'lean']) {
        it(`shows who did what, when, with what, at which attempt (${lane}): exit code 0`, async () => {
          const gid = await place(lane);
          const shown = await world.run('log', gid, '--json');
          assert.deepEqual([shown.code, shown.stderr], [0, []]);
          const { entries, notes } = shown.json<ShownLog>();
          const own = (name: string, source: string) => entries.filter((e) => e.branch === name && e.source === source);
          assert.deepEqual(
            own('pay', 'guard').map(({ op, outcome, attempt, service, result }) => [
              op,
              outcome,
              attempt,
              service,
              result,
            ]),
            [
              ['action', 'applied', 2, 'payments', { paymentId: `payment-${gid.slice('order-'.length)}` }],
              ['compensation', 'applied', 1, 'payments', { refunded: 100 }],
            ],
          );
          const [failed] = own('pay', 'history');
          assert.deepEqual([failed?.outcome, failed?.attempt], ['succeeded', 2]);
          assert.equal(own('reserve-stock', 'guard')[0]?.failure?.type, 'OutOfStock');
          assert.equal(entries.at(-1)?.op, 'end');
          const began = entries.map(({ beganAt }) => beganAt);
          assert.deepEqual(began, began.toSorted());
          assert.deepEqual(
            notes.map((note) => note.includes('nothing of this is kept')),
            kept ? [] : [true],
          );
          assert.equal(
            entries.every(({ collectedAt }) => collectedAt !== undefined),
            kept,
          );
        });
      }

      it('is a table for people', async () => {
        const { code, stdout, stderr } = await world.run('log', await place('durable'));
        assert.equal(code, 0);
        assert.match(stdout, /│ pay +│ compensation │ applied +│ 1 +│ .*│ payments +│[^]* result {"refunded":100} /);
        assert.equal(stderr.length, kept ? 0 : 1);
      });

      it('of an id that is unknown says so in one line: exit code 2', async () => {
        const { code, stdout, stderr } = await world.run('log', 'order-none');
        assert.deepEqual([code, stdout, stderr], [2, '', [`no transaction order-none in namespace 'default'`]]);
      });
    });
  }
});
