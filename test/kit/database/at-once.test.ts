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
import { add, counted, never, newGid, op, Stage } from './support/stage.js';

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
