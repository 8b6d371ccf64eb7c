import assert from 'node:assert/strict';
import pg from 'pg';
import postgres from 'postgres';
import {
  Barred,
  createGuard,
  createOutbound,
  forgetGuards,
  InputMismatch,
  pgDatabase,
  postgresJsDatabase,
  Rejection,
  RowGone,
  Suspended,
  Undone,
  type OutboundRequest,
} from '../../../src/kit/database/index.js';
import { CENTS, OutboundStage } from './support/outbound-stage.js';
import type { Fault } from './support/provider.js';
import { counted, never, newGid, op } from './support/stage.js';

const DECLINED = { name: 'Rejection', type: 'Declined' };

describe('work outside SQL', () => {
  const stage = new OutboundStage();
  /** What befalls the next requests. */
  const faults = (...next: (Fault | undefined)[]) => void stage.provider.faults.push(...next);

  describe('an action', () => {
    it('that is answered: is stored, and not sent again', async () => {
      const { action, booked, sent, outcome } = stage.branch();
      const result = await action();
      assert.match(result.id, /^charge-/);
      assert.deepEqual(await action({ attempt: 2 }), result);
      assert.deepEqual([booked(), sent().length, await outcome(1)], [['charge'], 1, 'applied']);
    });

    for (const fault of ['lose-request', 'lose-reply', 'late', 'fail'] as const) {
      it(`whose first attempt meets "${fault}": is unknown, and sent again with the same key`, async () => {
        const { action, gid, net, sent } = stage.branch();
        faults(fault);
        await assert.rejects(action(), (error) => !(error instanceof Rejection));
        assert.equal((await stage.row(gid, 1))?.outcome, 'intent');
        await action({ attempt: 2 });
        assert.equal((await stage.row(gid, 1))?.attempt, 2);
        stage.provider.deliver();
        assert.equal(net(), 1);
        assert.equal(new Set(sent()).size, 1);
      });
    }

    it('that arrives twice: is done once', async () => {
      const { action, net } = stage.branch();
      faults('twice');
      await action();
      assert.equal(net(), 1);
    });

    it('that is refused: is rejected for good, and not sent again', async () => {
      const { action, net, sent } = stage.branch();
      faults('refuse');
      await assert.rejects(action(), DECLINED);
      await assert.rejects(action({ attempt: 2 }), DECLINED);
      assert.deepEqual([net(), sent().length], [0, 1]);
    });

    it('that hangs: ends before its attempt does, and at once when its driver gives up', async () => {
      const { action } = stage.branch();
      faults('hang', 'hang');
      await assert.rejects(action({ timeoutMs: 500 }), /did not answer '.*' within \d+ ms/);
      const given = new AbortController();
      stage.provider.onArrival = () => {
        given.abort(new Error('given up'));
      };
      await assert.rejects(action({ signal: given.signal }), /given up/);
      await assert.rejects(action({ signal: given.signal }), /given up/);
    });

    it('that is in progress at the other side: is unknown to the second attempt, and then as the first was answered', async () => {
      const { action, net } = stage.branch();
      faults('slow');
      const arrived = new Promise<void>((resolve) => (stage.provider.onArrival = resolve));
      const first = action();
      await arrived;
      await assert.rejects(action({ attempt: 2 }), /answered 409/);
      stage.provider.complete();
      assert.deepEqual(await action({ attempt: 3 }), await first);
      assert.equal(net(), 1);
    });

    it('two attempts of which are sent at once: both get the one answer', async () => {
      const { action, net } = stage.branch();
      const answers = await Promise.all([1, 2, 3, 4, 5].map((attempt) => action({ attempt })));
      assert.equal(new Set(answers.map(({ id }) => id)).size, 1);
      assert.equal(net(), 1);
    });

    it('that dies at any point: is made definite by the next attempt', async () => {
      for (const point of ['before', 'working', 'worked', 'committed'] as const) {
        const probe = (at: string, { attempt }: { attempt: number }) =>
          at === point && attempt === 1 ? Promise.reject(new Error('died')) : Promise.resolve();
        const { action, net } = stage.branch({ probe });
        await assert.rejects(action(), /died/);
        await action({ attempt: 2 });
        assert.equal(net(), 1, point);
      }
    });

    it('with another input: is refused, whether it is answered or not', async () => {
      const { action, payment, net } = stage.branch();
      faults('lose-request');
      await assert.rejects(action());
      const other = { ...payment, amount: 1 };
      await assert.rejects(action({}, other), InputMismatch);
      await action();
      await assert.rejects(action({}, other), InputMismatch);
      assert.equal(net(), 1);
    });

    it('whose answer cannot be stored: is unknown, and the next attempt gets it', async () => {
      const gid = newGid();
      const broken = { ...stage.db, run: () => Promise.reject(new Error('connection lost')) };
      const answer: OutboundRequest<[unknown], string> = { send: () => Promise.resolve('done') };
      await assert.rejects(createOutbound(broken).apply(op(gid, 'action'), {}, answer), /connection lost/);
      assert.equal(await createOutbound(stage.db).apply(op(gid, 'action'), {}, answer), 'done');
    });
  });

  describe('an undo', () => {
    it('of what was never begun: bars it, and sends nothing', async () => {
      const { action, undo, sent, outcome } = stage.branch();
      assert.equal(await undo(), undefined);
      assert.equal(await undo(), undefined);
      await assert.rejects(action(), Suspended);
      assert.deepEqual([sent(), await outcome(1), await outcome(2)], [[], 'barred', 'empty']);
    });

    it('of what was never begun, and yet is known to have succeeded: is for a person', async () => {
      const { undo, outcome } = stage.branch();
      await assert.rejects(undo({ succeeded: true }), RowGone);
      assert.equal(await outcome(1), undefined);
    });

    it('of what was rejected: is empty, and sends nothing', async () => {
      const { action, undo, sent } = stage.branch();
      faults('refuse');
      await assert.rejects(action());
      assert.equal(await undo(), undefined);
      await assert.rejects(action(), Suspended);
      assert.equal(sent().length, 1);
    });

    it('of what was applied: is sent with the stored result and a key of its own, once', async () => {
      const { action, undo, booked, sent } = stage.branch();
      await action();
      const result = await undo();
      assert.match(result?.id ?? '', /^refund-/);
      assert.deepEqual(await undo({ attempt: 2 }), result);
      assert.deepEqual(booked(), ['charge', 'refund']);
      assert.equal(new Set(sent()).size, 2);
      await assert.rejects(action(), Suspended);
    });

    for (const fault of ['lose-request', 'lose-reply', 'late'] as const) {
      it(`of what met "${fault}" and is unknown: makes it definite with the same key, then undoes it`, async () => {
        const { action, undo, net, sent, outcome } = stage.branch();
        faults(fault);
        await assert.rejects(action());
        assert.match((await undo())?.id ?? '', /^refund-/);
        stage.provider.deliver();
        assert.equal(net(), 0);
        const [first, again] = sent();
        assert.equal(first, again);
        assert.deepEqual([await outcome(1), await outcome(2)], ['applied', 'applied']);
      });

      it(`that meets "${fault}" itself: is sent again with the same key`, async () => {
        const { action, undo, booked } = stage.branch();
        await action();
        faults(fault);
        await assert.rejects(undo());
        await undo({ attempt: 2 });
        stage.provider.deliver();
        assert.deepEqual(booked(), ['charge', 'refund']);
      });
    }

    it('of what is unknown, and is refused when it is sent again: is empty', async () => {
      const { action, undo, booked, outcome } = stage.branch();
      faults('lose-request', 'refuse');
      await assert.rejects(action());
      assert.equal(await undo(), undefined);
      assert.deepEqual([booked(), await outcome(1), await outcome(2)], [[], 'rejected', 'empty']);
    });

    it('takes its place before it makes the action definite: no attempt of the action begins any more', async () => {
      const { action, undo, sent, net } = stage.branch();
      faults('lose-request', 'lose-reply');
      await assert.rejects(action());
      await assert.rejects(undo());
      assert.equal(sent().length, 2);
      await assert.rejects(action({ attempt: 2 }), Suspended);
      assert.equal(sent().length, 2);
      assert.equal(net(), 1);
      await undo({ attempt: 2 });
      assert.equal(net(), 0);
    });

    it('that is refused: is not undone; the next attempt begins anew with another key', async () => {
      const { action, undo, booked, sent, gid } = stage.branch();
      await action();
      faults('refuse');
      await assert.rejects(undo(), DECLINED);
      const row = await stage.row(gid, 2);
      assert.deepEqual([row?.outcome, row?.failure], ['intent', { type: 'Declined', message: 'refund was declined' }]);
      await undo({ attempt: 2 });
      assert.deepEqual(booked(), ['charge', 'refund']);
      assert.equal(new Set(sent()).size, 3);
    });

    it('whose action is answered only after it: the late answer changes nothing, and the action hears that it is undone', async () => {
      const { gid, action, undo, net, outcome } = stage.branch();
      const outbound = createOutbound(stage.db);
      let answer: (result: { id: string }) => void = () => undefined;
      let began: () => void = () => undefined;
      const sent = new Promise<void>((resolve) => (began = resolve));
      const send = () => {
        began();
        return new Promise<{ id: string }>((resolve) => (answer = resolve));
      };
      const late = outbound.apply(op(gid, 'action'), { account: gid, amount: CENTS }, { send });
      await sent;
      await action({ attempt: 2 });
      await undo();
      answer({ id: 'late' });
      await assert.rejects(late, Suspended);
      assert.deepEqual([net(), await outcome(1)], [0, 'applied']);
    });

    it('that dies at any point: is completed by the next attempt', async () => {
      for (const point of ['before', 'working', 'worked', 'committed'] as const) {
        for (const lost of [undefined, 'lose-reply'] as const) {
          const probe = (at: string, { attempt, op: of }: { attempt: number; op: string }) =>
            at === point && attempt === 1 && of === 'compensation'
              ? Promise.reject(new Error('died'))
              : Promise.resolve();
          const { action, undo, net } = stage.branch({ probe });
          faults(lost);
          await action().catch(() => undefined);
          await assert.rejects(undo(), /died/);
          await undo({ attempt: 2 });
          assert.equal(net(), 0, point);
        }
      }
    });

    it('with another input than the action had: is refused, and nothing is undone', async () => {
      const { action, undo, payment, net, outcome } = stage.branch();
      const other = { ...payment, amount: 1 };
      faults('lose-reply');
      await assert.rejects(action());
      await assert.rejects(undo({}, other), InputMismatch);
      await action();
      await assert.rejects(undo({}, other), InputMismatch);
      assert.deepEqual([net(), await outcome(2)], [1, undefined]);
      await undo();
      await assert.rejects(undo({}, other), InputMismatch);
    });

    it('by amends: takes the same place, with a key of its own', async () => {
      const gid = newGid();
      const outbound = createOutbound(stage.db);
      const keys: string[] = [];
      const request = { send: ({ key }: { key: string }) => Promise.resolve(keys.push(key)) };
      await outbound.apply(op(gid, 'action'), {}, request);
      assert.equal(await outbound.undo(op(gid, 'amends'), {}, request, request), 2);
      assert.equal(new Set(keys).size, 2);
      await assert.rejects(outbound.undo(op(gid, 'compensation'), {}, request, request), Suspended);
    });
  });

  describe('settling', () => {
    it('what was never begun: bars it', async () => {
      const { settle, action, sent } = stage.branch();
      await assert.rejects(settle(), Barred);
      await assert.rejects(settle(), Barred);
      await assert.rejects(action(), Suspended);
      assert.deepEqual(sent(), []);
    });

    it('what was answered: gives the answer; what was undone: says so', async () => {
      const { settle, action, undo } = stage.branch();
      const result = await action();
      assert.deepEqual(await settle(), result);
      await undo();
      await assert.rejects(
        settle(),
        (error) => error instanceof Undone && JSON.stringify(error.result) === JSON.stringify(result),
      );
    });

    it('what is unknown: sends it again with the same key until that is definite', async () => {
      const { settle, action, net, sent } = stage.branch();
      faults('lose-request', 'fail');
      await assert.rejects(action());
      await assert.rejects(settle(), /answered 503/);
      assert.match((await settle()).id, /^charge-/);
      assert.equal(net(), 1);
      assert.equal(new Set(sent()).size, 1);
      const refused = stage.branch();
      faults('lose-request', 'refuse');
      await assert.rejects(refused.action());
      await assert.rejects(refused.settle(), DECLINED);
      await assert.rejects(refused.settle(), DECLINED);
      await refused.undo();
      await assert.rejects(refused.settle(), Barred);
    });

    it('what is unknown while its undo has begun: makes it definite, and leaves the undo to be asked for', async () => {
      const { settle, action, undo, net } = stage.branch();
      faults('lose-request', 'lose-request');
      await assert.rejects(action());
      await assert.rejects(undo());
      await assert.rejects(settle(), Undone);
      assert.equal(net(), 1);
      await undo({ attempt: 2 });
      assert.equal(net(), 0);
    });

    it('what was begun with another input: is refused', async () => {
      const { settle, action, payment } = stage.branch();
      faults('lose-request');
      await assert.rejects(action());
      await assert.rejects(settle({}, { ...payment, amount: 1 }), InputMismatch);
    });
  });

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

  it('takes four round trips beside the request itself, and six when it is sent again', async () => {
    const { db, take } = counted(stage.pool);
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
    assert.deepEqual(trips, {
      action: 4,
      'action, unknown': 3,
      'action, sent again': 6,
      'action, duplicate': 4,
      undo: 6,
      'undo, duplicate': 4,
      'undo, empty': 3,
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
