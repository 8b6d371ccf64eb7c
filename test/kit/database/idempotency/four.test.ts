import assert from 'node:assert/strict';
import {
  createExecutions,
  insertOrRead,
  moveState,
  OtherFact,
  updateVersioned,
  VersionConflict,
  type Sql,
} from '../../../../src/kit/database/index.js';
import { fresh, LockStage, meeting } from './stage.js';

/**
 * What goes wrong without a guard, and does not with one. Each test does the same by a careless way first, of which the wrong result is
 * asserted: otherwise the interleaving that it is about would not be there.
 */
describe('doing it once', () => {
  const stage = new LockStage();

  describe('100 − 50 − 30 is 20', () => {
    interface Account {
      readonly balance: number;
    }
    const open = async () => {
      const id = fresh('account');
      await stage.db.run('insert into accounts (id, balance) values ($1, 100)', [id]);
      return id;
    };
    const balance = async (id: string) =>
      (await stage.one<Account>('select balance from accounts where id = $1', id)).balance;
    const spendAtOnce = async (spend: (sql: Sql, id: string, amount: number) => Promise<unknown>) => {
      const id = await open();
      const meet = meeting(2);
      await Promise.all([spend(meet(stage.db.run), id, 50), spend(meet(stage.db.run), id, 30)]);
      return balance(id);
    };

    it('is 50 or 70 where each writes what it has computed', async () => {
      const left = await spendAtOnce(async (sql, id, amount) => {
        const [row] = await sql<Account>('select balance from accounts where id = $1', [id]);
        await sql('update accounts set balance = $2 where id = $1', [id, (row?.balance ?? 0) - amount]);
      });
      assert.ok([50, 70].includes(left), String(left));
    });

    const spend = (sql: Sql, id: string, amount: number, tries?: number) =>
      updateVersioned<Account>(sql, { table: 'accounts', key: { id } }, (row) => ({ balance: row.balance - amount }), {
        tries,
      });

    it('is 20 where each writes only what it has read', async () => {
      assert.equal(await spendAtOnce(spend), 20);
    });

    it('of many at once none is lost, and who is never first is told', async () => {
      const id = await open();
      await Promise.all(Array.from({ length: 20 }, () => spend(stage.db.run, id, 3, 100)));
      assert.equal(await balance(id), 40);
      const meet = meeting(2);
      const both = await Promise.allSettled([1, 2].map(() => spend(meet(stage.db.run), id, 5, 1)));
      const [error] = both.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []));
      assert.ok(error instanceof VersionConflict);
      assert.equal(await balance(id), 35);
      assert.equal(await spend(stage.db.run, 'nobody', 5), undefined);
    });
  });

  describe('100 points that are granted twice', () => {
    const grant = async (give: (sql: Sql, order: string, customer: string) => Promise<void>) => {
      const [order, customer] = [fresh('order'), fresh('customer')];
      await stage.db.run('insert into points (customer) values ($1)', [customer]);
      const meet = meeting(2);
      const once = () => stage.db.transaction((sql) => give(meet(sql), order, customer));
      await Promise.all([once(), once()]);
      await stage.db.transaction((sql) => give(sql, order, customer));
      return (await stage.one<{ points: number }>('select points from points where customer = $1', customer)).points;
    };
    const ADD = 'update points set points = points + 100 where customer = $1';

    it('are 200 where each looks, and then writes', async () => {
      const points = await grant(async (sql, order, customer) => {
        const found = await sql('select 1 from careless_entries where order_id = $1', [order]);
        if (found.length > 0) return;
        await sql('insert into careless_entries values ($1, $2, 100)', [order, 'bought']);
        await sql(ADD, [customer]);
      });
      assert.equal(points, 200);
    });

    const fact = (order: string, amount = 100) => {
      return { table: 'point_entries', key: { order_id: order, reason: 'bought' }, values: { amount } };
    };

    it('are 100 with a business key, whose second statement finds the first', async () => {
      const outcomes: boolean[] = [];
      // Who meets on the index waits there for the other: they come together before that.
      const points = await grant(async (sql, order, customer) => {
        await sql('select 1');
        const { inserted, row } = await insertOrRead<{ amount: number }>(sql, fact(order));
        assert.equal(row.amount, 100);
        outcomes.push(inserted);
        if (inserted) await sql(ADD, [customer]);
      });
      assert.equal(points, 100);
      assert.deepEqual(outcomes.toSorted(), [false, false, true]);
    });

    it('are one fact where a value is an object, in a column of type json or jsonb', async () => {
      const id = fresh('fact');
      const of = (terms: object, wide: object | null = { a: [1, 2] }) =>
        insertOrRead(stage.db.run, { table: 'facts', key: { id }, values: { terms, wide } });
      assert.equal((await of({ a: 1, b: 'x' })).inserted, true);
      assert.equal((await of({ b: 'x', a: 1 })).inserted, false);
      await assert.rejects(of({ a: 2, b: 'x' }), OtherFact);
      await assert.rejects(of({ a: 1, b: 'x' }, null), OtherFact);
    });

    it('are refused as another fact, where they are not 100 the second time', async () => {
      const order = fresh('order');
      await insertOrRead(stage.db.run, fact(order));
      await assert.rejects(insertOrRead(stage.db.run, fact(order, 200)), OtherFact);
      await assert.rejects(
        insertOrRead(stage.db.run, { ...fact(order), table: 'points; drop table points' }),
        TypeError,
      );
    });
  });

  describe('a refund of 100 that is asked for twice', () => {
    const refundTwice = async (refund: (order: string, meet: (sql: Sql) => Sql) => Promise<unknown>) => {
      const order = fresh('order');
      await stage.db.run(`insert into orders (id, status) values ($1, 'returned')`, [order]);
      const meet = meeting(2);
      await Promise.all([refund(order, meet), refund(order, meet)]);
      await refund(order, meeting(1));
      return (await stage.one<{ refunded: number }>('select refunded from orders where id = $1', order)).refunded;
    };
    const PAY = 'update orders set refunded = refunded + 100 where id = $1';

    it('is 200 where each looks first', async () => {
      const refunded = await refundTwice(async (order, meet) => {
        const sql = meet(stage.db.run);
        const [row] = await sql<{ refunded: number }>('select refunded from orders where id = $1', [order]);
        if (row?.refunded === 0) await sql(PAY, [order]);
      });
      assert.equal(refunded, 200);
    });

    it('is 100 with an execution record, whatever happens between', async () => {
      const outcomes: string[] = [];
      const refunded = await refundTwice(async (order, meet) => {
        const executions = createExecutions({ database: { ...stage.db, run: meet(stage.db.run) } });
        const done = await executions.run({ task: 'refund', businessId: order }, (execution) =>
          stage.db.transaction(async (sql) => {
            await sql(PAY, [order]);
            await execution.complete(sql, 100);
            return 100;
          }),
        );
        outcomes.push(done.outcome === 'done' ? 'done' : done.because);
      });
      assert.equal(refunded, 100);
      assert.equal(outcomes.filter((outcome) => outcome === 'done').length, 1);
      assert.equal(outcomes.at(-1), 'success');
    });
  });

  describe('“ship” that comes a second time, when the order was delivered', () => {
    const lifeOf = async (ship: (sql: Sql, order: string) => Promise<unknown>) => {
      const order = fresh('order');
      await stage.db.run(`insert into orders (id, status) values ($1, 'paid')`, [order]);
      await ship(stage.db.run, order);
      await stage.db.run(`update orders set status = 'delivered' where id = $1`, [order]);
      await ship(stage.db.run, order);
      return (await stage.one<{ status: string }>('select status from orders where id = $1', order)).status;
    };

    it('takes it back where it only says what it wants', async () => {
      const status = await lifeOf((sql, order) => sql(`update orders set status = 'shipped' where id = $1`, [order]));
      assert.equal(status, 'shipped');
    });

    const ship = (sql: Sql, id: string, tracking = 't1') =>
      moveState(sql, { table: 'orders', key: { id } }, { from: ['paid', 'packed'], to: 'shipped', set: { tracking } });

    it('leaves it where it is, where it says from where', async () => {
      const outcomes: string[] = [];
      const status = await lifeOf(async (sql, order) => outcomes.push((await ship(sql, order)).outcome));
      assert.deepEqual([status, outcomes], ['delivered', ['moved', 'elsewhere']]);
    });

    it('moves once of many at once, who hear that it is done', async () => {
      const id = fresh('order');
      await stage.db.run(`insert into orders (id, status) values ($1, 'packed')`, [id]);
      const all = await Promise.all(Array.from({ length: 10 }, (_, n) => ship(stage.db.run, id, `t${n}`)));
      const moved = all.flatMap(({ outcome }, n) => (outcome === 'moved' ? [`t${n}`] : []));
      assert.equal(moved.length, 1);
      assert.ok(all.every(({ state }) => state === 'shipped'));
      assert.deepEqual(await stage.one('select tracking from orders where id = $1', id), { tracking: moved[0] });
      assert.equal((await ship(stage.db.run, 'nobody')).outcome, 'missing');
    });
  });
});
