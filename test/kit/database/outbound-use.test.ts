import assert from 'node:assert/strict';
import pg from 'pg';
import postgres from 'postgres';
import {
  Barred,
  createGuard,
  createOutbound,
  forgetGuards,
  pgDatabase,
  postgresJsDatabase,
} from '../../../src/kit/database/index.js';
import { OutboundStage } from './support/outbound-stage.js';
import type { Fault } from './support/provider.js';
import { counted, never, newGid, op } from './support/stage.js';

describe('the second mode in use', () => {
  const stage = new OutboundStage();
  /** What befalls the next requests. */
  const faults = (...next: (Fault | undefined)[]) => void stage.provider.faults.push(...next);

  it('holds no transaction and no connection while the other side is asked', async () => {
    const pool = new pg.Pool({ connectionString: stage.url, max: 1 });
    const db = pgDatabase(pool);
    const request = { send: () => db.run('select 1 as one') };
    const gid = newGid();
    const outbound = createOutbound(db);
    assert.deepEqual(await outbound.apply(op(gid, 'action'), {}, request), [{ one: 1 }]);
    assert.deepEqual(await outbound.undo(op(gid, 'compensation'), {}, request, request), [{ one: 1 }]);
    await pool.end();
  });

  it('takes three round trips beside the request itself, and five when it is sent again', async () => {
    const { db, take, close } = await counted(stage.url);
    const outbound = createOutbound(db);
    let lost = true;
    const request = { send: () => (lost ? Promise.reject(new Error('lost')) : Promise.resolve(1)) };
    const gid = newGid();
    const trips: Record<string, number> = {};
    const measure = async (name: string, call: Promise<unknown>) => {
      await call.catch(() => undefined);
      trips[name] = take();
    };
    await measure('action, unknown', outbound.apply(op(gid, 'action'), {}, request));
    lost = false;
    await measure('action, sent again', outbound.apply(op(gid, 'action'), {}, request));
    await measure('action, duplicate', outbound.apply(op(gid, 'action'), {}, request));
    await measure('undo', outbound.undo(op(gid, 'compensation'), {}, request, request));
    await measure('undo, duplicate', outbound.undo(op(gid, 'compensation'), {}, request, request));
    await measure('undo, empty', outbound.undo(op(newGid(), 'compensation'), {}, request, request));
    await measure('action', outbound.apply(op(newGid(), 'action'), {}, request));
    await close();
    assert.deepEqual(trips, {
      action: 3,
      'action, unknown': 2,
      'action, sent again': 5,
      'action, duplicate': 3,
      undo: 5,
      'undo, duplicate': 3,
      'undo, empty': 2,
    });
  });

  it('works through postgres.js too', async () => {
    const client = postgres(stage.url, { max: 2, onnotice: () => undefined });
    const outbound = createOutbound(postgresJsDatabase(client as never), { mask: ['card'] });
    const gid = newGid();
    let lost = true;
    const request = { send: () => (lost ? Promise.reject(new Error('lost')) : Promise.resolve({ id: 'x' })) };
    await assert.rejects(outbound.apply(op(gid, 'action'), { card: '4111' }, request), /lost/);
    await assert.rejects(outbound.undo(op(gid, 'compensation'), { card: '4111' }, request, request), /lost/);
    lost = false;
    assert.deepEqual(await outbound.undo(op(gid, 'compensation'), { card: '4111' }, request, request), { id: 'x' });
    assert.deepEqual((await stage.row(gid, 1))?.input, { card: '***' });
    await assert.rejects(outbound.apply(op(newGid(), 'action', { settle: true }), {}, request), Barred);
    await client.end();
  });

  it('the outcome of an intent is written by another SQL transaction than the intent, and tells so', async () => {
    const { action, gid } = stage.branch();
    faults('lose-request');
    await assert.rejects(action());
    const before = BigInt(String((await stage.row(gid, 1))?.written));
    await action();
    const row = await stage.row(gid, 1);
    assert.ok(BigInt(String(row?.written)) > before);
    assert.ok((row?.ended_at as Date) >= (row?.began_at as Date));
  });

  it('an intent is never forgotten: what happened to it is still open', async () => {
    const [open, closed] = [stage.branch(), stage.branch()];
    faults('lose-request');
    await assert.rejects(open.action());
    await closed.action();
    await stage.pool.query(
      `update backstitch.guard set began_at = began_at - interval '200 days', ended_at = ended_at - interval '200 days'
       where gid = any ($1)`,
      [[open.gid, closed.gid]],
    );
    await forgetGuards(stage.db);
    assert.deepEqual([await open.outcome(1), await closed.outcome(1)], ['intent', undefined]);
  });

  it('what is begun outside SQL is not decided by the guard of the first mode', async () => {
    const { action, gid, payment } = stage.branch();
    faults('lose-request');
    await assert.rejects(action());
    const guard = createGuard(stage.db);
    for (const asked of [
      () => guard.apply(op(gid, 'action'), payment, never),
      () => guard.apply(op(gid, 'action', { settle: true }), payment, never),
      () => guard.undo(op(gid, 'compensation'), payment, never),
      () => guard.confirm(op(gid, 'confirm'), payment, never),
    ]) {
      await assert.rejects(asked(), /was begun outside SQL/);
    }
    assert.equal(await stage.row(gid, 2), undefined);
  });
});
