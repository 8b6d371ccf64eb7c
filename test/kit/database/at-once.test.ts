import assert from 'node:assert/strict';
import postgres from 'postgres';
import {
  Barred,
  createGuard,
  DrivenElsewhere,
  guardPhase1,
  InputMismatch,
  postgresJsDatabase,
  Rejection,
  Suspended,
  type AtOnce,
  type Guard,
  type Operation,
  type Sql,
} from '../../../src/kit/database/index.js';
import { add, counted, never, newGid, op, refuse, Stage } from './support/stage.js';

/** Adds to the ledger, if it is no more than 100; what it then answers is not all that the table has. */
const ADDED = {
  with: 'added as (insert into ledger (gid, amount) values ($1, $2::int) returning gid, amount)',
  text: 'select amount as done, array[gid] as gids, null as nothing from added where amount <= 100',
};

describe('work in one statement', () => {
  const stage = new Stage();
  let guard: Guard;
  before(() => {
    guard = createGuard(stage.db);
  });

  const adding = (gid: string, amount: number) => (): AtOnce => ({ statement: ADDED, values: [gid, amount] });
  const refusing =
    (gid: string, amount: number) =>
    async (sql: Sql): Promise<unknown> => {
      const [row] = await sql<{ done: number }>(`with ${ADDED.with} ${ADDED.text}`, [gid, amount]);
      if (!row) throw new Rejection('TooMuch', `${amount} is more than 100`);
      return row;
    };
  const apply = (operation: Operation, amount: number, by = guard) =>
    by.apply(operation, { amount }, refusing(operation.gid, amount), adding(operation.gid, amount));

  it('is one round trip; a duplicate takes two, and gets the same', async () => {
    const { db, take, close } = await counted(stage.url);
    const counting = createGuard(db);
    const gid = newGid();
    const result = await counting.apply(op(gid, 'action'), {}, never, adding(gid, 7));
    assert.deepEqual(result, { done: 7, gids: [gid], nothing: null });
    assert.equal(take(), 1);
    assert.deepEqual(await counting.apply(op(gid, 'action', { attempt: 2 }), {}, never, adding(gid, 7)), result);
    assert.equal(take(), 2);
    assert.equal(await stage.net(gid), 7);
    await close();
  });

  it('leaves the row that work in a transaction leaves', async () => {
    const [one, other] = [newGid(), newGid()];
    const masking = createGuard(stage.db, { mask: ['card'] });
    const input = { card: '4111', amount: 7 };
    await masking.apply(op(one, 'action'), input, never, adding(one, 7));
    await masking.apply(op(other, 'action'), input, refusing(other, 7));
    const told = async (gid: string) => {
      const { began_at, ended_at, written, result, ...rest } = (await stage.row(gid, 1)) ?? {};
      assert.ok(began_at instanceof Date && ended_at instanceof Date && ended_at >= began_at && written !== null);
      assert.deepEqual(result, { done: 7, gids: [gid], nothing: null });
      return { ...rest, gid: 'one' };
    };
    assert.deepEqual(await told(one), await told(other));
    assert.deepEqual((await stage.row(one, 1))?.input, { card: '***', amount: 7 });
  });

  it('that gives no row has no effect, and the work says why: that is stored', async () => {
    const gid = newGid();
    await assert.rejects(apply(op(gid, 'action'), 101), { type: 'TooMuch', message: '101 is more than 100' });
    assert.equal(await stage.net(gid), 0);
    assert.equal((await stage.row(gid, 1))?.outcome, 'rejected');
    await assert.rejects(guard.apply(op(gid, 'action'), { amount: 101 }, never, adding(gid, 1)), { type: 'TooMuch' });
    assert.equal(await stage.net(gid), 0);
  });

  it('that a constraint refuses is rejected, and so is an input that is refused before it', async () => {
    const gid = newGid();
    await assert.rejects(apply(op(gid, 'action'), 13), { type: 'ConstraintViolated', message: /of table ledger/ });
    assert.equal((await stage.row(gid, 1))?.outcome, 'rejected');
    const invalid = () => {
      throw new Rejection('InvalidInput', 'no');
    };
    const other = newGid();
    await assert.rejects(guard.apply(op(other, 'action'), {}, invalid, invalid), { type: 'InvalidInput' });
    assert.equal((await stage.row(other, 1))?.outcome, 'rejected');
  });

  it('may still succeed where it was refused first, if that has changed until the work looks', async () => {
    const gid = newGid();
    assert.deepEqual(await guard.apply(op(gid, 'action'), {}, add(gid, 1), adding(gid, 101)), { done: 1 });
    assert.equal(await stage.net(gid), 1);
  });

  it('is undone with its result, is suspended after its undo, and never done when it is settled', async () => {
    const [done, barred, settled] = [newGid(), newGid(), newGid()];
    await apply(op(done, 'action'), 5);
    await guard.undo(op(done, 'compensation'), { amount: 5 }, (sql, { done: amount }: { done: number }) =>
      add(done, -amount)(sql),
    );
    assert.equal(await stage.net(done), 0);
    await assert.rejects(apply(op(done, 'action'), 5), Suspended);
    await guard.undo(op(barred, 'compensation'), { amount: 5 }, never);
    await assert.rejects(apply(op(barred, 'action'), 5), Suspended);
    assert.equal(await stage.net(barred), 0);
    await assert.rejects(apply(op(settled, 'action', { settle: true }), 5), Barred);
    assert.equal(await stage.net(settled), 0);
  });

  it('is refused with another input', async () => {
    const gid = newGid();
    await apply(op(gid, 'action'), 5);
    await assert.rejects(apply(op(gid, 'action'), 6), InputMismatch);
    assert.equal(await stage.net(gid), 5);
  });

  it('leaves anything unknown unknown: a lock that is not to be had, an error in the statement', async () => {
    const gid = newGid();
    const rival = await stage.pool.connect();
    try {
      await rival.query('begin');
      const sql: Sql = async (text, values) => (await rival.query(text, values && [...values])).rows as never;
      await guardPhase1(sql, op(gid, 'action', { timeoutMs: 30_000 }), {}, () => Promise.resolve());
      await assert.rejects(apply(op(gid, 'action', { timeoutMs: 500 }), 5), { code: '55P03' });
    } finally {
      await rival.query('rollback');
      rival.release();
    }
    const broken = () => ({ statement: { text: 'select 1 / ($1::int - 1) as one' }, values: [1] });
    await assert.rejects(guard.apply(op(gid, 'action'), {}, never, broken), { code: '22012' });
    const two = () => ({ statement: { text: 'select $1::int as one from generate_series(1, 2)' }, values: [1] });
    await assert.rejects(guard.apply(op(gid, 'action'), {}, never, two), /more than one row/);
    assert.equal(await stage.row(gid, 1), undefined);
    await apply(op(gid, 'action'), 5);
  });

  it('announces its transaction with it: both, or neither', async () => {
    const { db, take, close } = await counted(stage.url);
    const announcing = createGuard(db);
    const announced = async (gid: string) =>
      (await stage.pool.query<object>('select owner, branch from backstitch.announcements where gid = $1', [gid])).rows;
    const written: string[] = [];
    const first = (gid: string, driver = 'direct:1') =>
      op(gid, 'action', {
        driver,
        announcement: { start: '{"transaction":"t"}', takeOverMs: 1_000, written: () => written.push(gid) },
      });
    const [gid, refused, adopted] = [newGid(), newGid(), newGid()];
    await apply(first(gid), 5, announcing);
    assert.equal(take(), 1);
    assert.deepEqual(await announced(gid), [{ owner: 'direct:1', branch: 'pay' }]);
    assert.deepEqual(written, [gid]);
    await assert.rejects(apply(first(gid, 'direct:2'), 5, announcing), DrivenElsewhere);
    await assert.rejects(apply(first(gid), 5, announcing), DrivenElsewhere);
    await assert.rejects(apply(first(refused), 101, announcing), { type: 'TooMuch' });
    await stage.pool.query(
      `insert into backstitch.announcements (gid, owner, take_over_at) values ($1, 'workflow', now())`,
      [adopted],
    );
    await assert.rejects(apply(first(adopted), 5, announcing), DrivenElsewhere);
    assert.deepEqual(await announced(refused), []);
    assert.deepEqual(await announced(adopted), [{ owner: 'workflow', branch: null }]);
    assert.deepEqual([await stage.net(gid), await stage.net(refused), await stage.net(adopted)], [5, 0, 0]);
    await close();
  });

  it('with a client that cannot send it so is done in a transaction', async () => {
    const client = postgres(stage.url, { max: 1, onnotice: () => undefined });
    const gid = newGid();
    const result = await apply(op(gid, 'action'), 5, createGuard(postgresJsDatabase(client as never)));
    assert.deepEqual(result, { done: 5, gids: [gid], nothing: null });
    await client.end();
  });

  it('has its probe called before it, and once it is committed', async () => {
    const points: string[] = [];
    const probing = createGuard(stage.db, {
      probe: async (point, { gid }) => {
        points.push(`${point} ${await stage.net(gid)}`);
      },
    });
    const gid = newGid();
    await apply(op(gid, 'action'), 5, probing);
    assert.deepEqual(points, ['before 0', 'working 0', 'worked 0', 'committed 5']);
  });
});

/** Takes from the ledger what was added to it, by the action's result, if that is no more than 50. */
const TAKEN = {
  with: `taken as (
    insert into ledger (gid, amount) select $1, -(applied.result->>'done')::int from applied returning amount)`,
  text: 'select -amount as taken from taken where amount >= -50',
};

describe('an undo in one statement', () => {
  const stage = new Stage();
  let guard: Guard;
  before(() => {
    guard = createGuard(stage.db);
  });
  const applied = async (gid: string, amount = 5, more: Partial<Operation> = {}) => {
    await guard.apply(op(gid, 'action', more), { amount }, add(gid, amount));
    return gid;
  };
  const taking = (gid: string) => (): AtOnce => ({ statement: TAKEN, values: [gid] });
  const take =
    (gid: string) =>
    async (sql: Sql, { done }: { done: number }) => {
      await sql('insert into ledger (gid, amount) values ($1, $2)', [gid, -done]);
      return { taken: done };
    };
  const undo = (operation: Operation, amount = 5, by = guard) =>
    by.undo(operation, { amount }, take(operation.gid), taking(operation.gid));

  it('is one round trip, and gets the result of what it undoes; a duplicate gets the same', async () => {
    const { db, take: trips, close } = await counted(stage.url);
    const gid = await applied(newGid());
    assert.deepEqual(await undo(op(gid, 'compensation'), 5, createGuard(db)), { taken: 5 });
    assert.equal(trips(), 1);
    assert.deepEqual(await undo(op(gid, 'compensation', { attempt: 2 })), { taken: 5 });
    assert.equal(await stage.net(gid), 0);
    await close();
  });

  it('leaves the row that work in a transaction leaves', async () => {
    const [one, other] = [await applied(newGid()), await applied(newGid())];
    const masking = createGuard(stage.db, { mask: ['amount'] });
    await undo(op(one, 'compensation'), 5, masking);
    await masking.undo(op(other, 'compensation'), { amount: 5 }, take(other));
    const told = async (gid: string) => {
      const { began_at, ended_at, written, ...rest } = (await stage.row(gid, 2)) ?? {};
      assert.ok(began_at instanceof Date && ended_at instanceof Date && ended_at >= began_at && written !== null);
      return { ...rest, gid: 'one' };
    };
    assert.deepEqual(await told(one), await told(other));
  });

  it('bars what was never applied, and leaves what was refused', async () => {
    const [never1, refused] = [newGid(), newGid()];
    assert.equal(await undo(op(never1, 'compensation')), undefined);
    await assert.rejects(guard.apply(op(never1, 'action'), { amount: 5 }, never), Suspended);
    await assert.rejects(guard.apply(op(refused, 'action'), { amount: 5 }, refuse), Rejection);
    assert.equal(await undo(op(refused, 'compensation')), undefined);
    assert.deepEqual([await stage.net(never1), await stage.net(refused)], [0, 0]);
  });

  it('is refused for what was applied with another input, unless a person changed it', async () => {
    const gid = await applied(newGid());
    await assert.rejects(undo(op(gid, 'compensation'), 6), InputMismatch);
    assert.equal(await stage.net(gid), 5);
    assert.deepEqual(await undo(op(gid, 'compensation', { corrected: true }), 6), { taken: 5 });
    assert.equal(await stage.net(gid), 0);
  });

  it('undoes what another driver has applied the ordinary way', async () => {
    const gid = await applied(newGid(), 5, { driver: 'workflow:before' });
    assert.deepEqual(await undo(op(gid, 'compensation')), { taken: 5 });
    assert.equal(await stage.net(gid), 0);
  });

  it('that gives no row has no effect, and the work does it or says why not', async () => {
    const [gid, unknown] = [await applied(newGid(), 60), await applied(newGid(), 60)];
    assert.deepEqual(await undo(op(gid, 'compensation'), 60), { taken: 60 });
    assert.equal(await stage.net(gid), 0);
    const failing = () => Promise.reject(new Error('not now'));
    const operation = op(unknown, 'compensation');
    await assert.rejects(guard.undo(operation, { amount: 60 }, failing, taking(unknown)), /not now/);
    assert.equal(await stage.net(unknown), 60);
    assert.deepEqual(await undo(operation, 60), { taken: 60 });
  });

  it('waits for an undo in flight, and is then its duplicate', async () => {
    const gid = await applied(newGid());
    const rivals = await Promise.all(Array.from({ length: 8 }, () => undo(op(gid, 'compensation'))));
    assert.deepEqual(
      rivals,
      Array.from({ length: 8 }, () => ({ taken: 5 })),
    );
    assert.equal(await stage.net(gid), 0);
  });
});
