import assert from 'node:assert/strict';
import {
  Barred,
  createOutbound,
  InputMismatch,
  KEY_LIFETIME_MS,
  recordFound,
  Rejection,
  Suspended,
  Undecidable,
  type OutboundOptions,
} from '../../../src/kit/database/index.js';
import { OutboundStage } from './support/outbound-stage.js';
import type { Fault } from './support/provider.js';
import { newGid, op } from './support/stage.js';

const DAY_MS = 24 * 3_600_000;

describe('work outside SQL that cannot be sent again', () => {
  const stage = new OutboundStage();
  const faults = (...next: (Fault | undefined)[]) => void stage.provider.faults.push(...next);
  const { rejects } = assert;

  describe('as its key is too old', () => {
    it('is undecidable, and says what a person must find out; it is not sent', async () => {
      const { action, undo, settle, passes, sent, gid } = stage.branch();
      faults('lose-reply');
      await rejects(action());
      await passes(DAY_MS);
      stage.provider.forgetKeys();
      for (const asked of [action, settle, undo, undo]) {
        await rejects(asked(), (error) => {
          assert.ok(error instanceof Undecidable);
          assert.match(error.message, new RegExp(`whether action of branch 'pay' in ${gid} happened`));
          assert.match(error.message, new RegExp(`find out at the other side whether '${sent()[0]}' was done`));
          return true;
        });
      }
      // The undo has its place although it could not be completed.
      await rejects(action(), Suspended);
      assert.equal(sent().length, 1);
    });

    it('counts from when it was sent first, and leaves the time for sending', async () => {
      const { action, passes, net } = stage.branch();
      faults('lose-reply', 'lose-reply');
      await rejects(action());
      await passes(KEY_LIFETIME_MS / 2);
      await rejects(action(), (error) => !(error instanceof Undecidable));
      await passes(KEY_LIFETIME_MS / 2 - 60_000);
      await rejects(action({ timeoutMs: 120_000 }), Undecidable);
      await action();
      assert.equal(net(), 1);
    });

    it('is looked up, where it can be: what is found counts', async () => {
      const { action, undo, passes, net, sent } = stage.branch({ lookUp: true });
      faults('lose-reply');
      await rejects(action());
      await passes(DAY_MS);
      stage.provider.forgetKeys();
      assert.match((await action()).id, /^charge-/);
      assert.deepEqual([net(), sent().length], [1, 1]);
      faults('lose-reply');
      await rejects(undo());
      await passes(DAY_MS);
      stage.provider.forgetKeys();
      assert.match((await undo())?.id ?? '', /^refund-/);
      assert.deepEqual([net(), sent().length], [0, 2]);
    });

    it('is sent by an action, and barred by an undo, once it is not found and nothing can come any more', async () => {
      for (const asked of ['action', 'undo', 'settle'] as const) {
        const branch = stage.branch({ lookUp: true, quietMs: 2 * DAY_MS });
        faults('lose-request');
        await rejects(branch.action());
        await branch.passes(DAY_MS);
        await rejects(branch[asked](), /is not at the other side, but may be on its way still/);
        await branch.passes(DAY_MS + 60_000);
        if (asked === 'settle') await rejects(branch.settle(), Barred);
        else await branch[asked]();
        assert.equal(branch.net(), asked === 'action' ? 1 : 0);
        assert.equal(branch.sent().length, asked === 'action' ? 2 : 1);
        await branch.undo();
        assert.equal(branch.net(), 0);
      }
    });
  });

  describe('as the other side takes no keys', () => {
    const keyless = (more: OutboundOptions & { lookUp?: boolean } = {}) => {
      stage.provider.keys = false;
      return stage.branch({ keys: false, ...more });
    };

    it('is sent once; an intent without an outcome is undecidable at once', async () => {
      const { action, undo, net, sent } = keyless();
      await action();
      faults('lose-reply');
      await rejects(undo());
      await rejects(undo(), Undecidable);
      assert.deepEqual([net(), sent().length], [0, 2]);
      const lost = keyless();
      faults('lose-request');
      await rejects(lost.action(), (error) => !(error instanceof Undecidable));
      for (const asked of [lost.action, lost.settle, lost.undo]) await rejects(asked(), Undecidable);
      assert.equal(lost.sent().length, 1);
    });

    it('is looked up until nothing can come any more; then an action is sent again', async () => {
      const { action, passes, net, sent } = keyless({ lookUp: true, quietMs: 300_000 });
      faults('lose-request');
      await rejects(action());
      await rejects(action(), /may be on its way still/);
      await passes(320_000);
      await action();
      await action();
      assert.deepEqual([net(), sent().length], [1, 2]);
    });

    it('is sent again by one of two attempts that both looked it up in vain', async () => {
      const gid = newGid();
      const outbound = createOutbound(stage.db, { keys: false, quietMs: 300_000 });
      await rejects(outbound.apply(op(gid, 'action'), {}, { send: () => Promise.reject(new Error('lost')) }), /lost/);
      await stage.pool.query(`update backstitch.guard set sending_until = now() - interval '1 day' where gid = $1`, [
        gid,
      ]);
      let [lookedUp, sent] = [0, 0];
      let bothLooked: () => void = () => undefined;
      let answer: (result: string) => void = () => undefined;
      const both = new Promise<void>((resolve) => (bothLooked = resolve));
      const answered = new Promise<string>((resolve) => (answer = resolve));
      const request = {
        lookUp: async () => {
          lookedUp += 1;
          if (lookedUp === 2) bothLooked();
          await both;
          return undefined;
        },
        send: () => {
          sent += 1;
          return answered;
        },
      };
      const attempts = [1, 2].map((attempt) => outbound.apply(op(gid, 'action', { attempt }), {}, request));
      await rejects(Promise.race(attempts), /may be on its way still/);
      answer('done');
      const answers = await Promise.allSettled(attempts);
      assert.deepEqual(answers.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      assert.equal(sent, 1);
    });

    it('is found where it arrived late, before or after its undo had begun', async () => {
      for (const undone of [false, true]) {
        const { action, undo, net, booked } = keyless({ lookUp: true, quietMs: 300_000 });
        faults('late');
        await rejects(action());
        if (undone) await rejects(undo(), /may be on its way still/);
        stage.provider.deliver();
        if (!undone) await action();
        await undo();
        assert.deepEqual([net(), booked()], [0, ['charge', 'refund']]);
      }
    });

    it('without a time of quiet: a look-up that finds nothing decides nothing', async () => {
      const { action, undo, passes, outcome } = keyless({ lookUp: true });
      faults('lose-request');
      await rejects(action());
      await passes(1_000 * DAY_MS);
      await rejects(action(), /may be on its way still/);
      await rejects(undo(), /may be on its way still/);
      assert.equal(await outcome(1), 'intent');
    });

    it('is refused for good where the look-up says so', async () => {
      const outbound = createOutbound(stage.db, { keys: false });
      const gid = newGid();
      const lookUp = () => Promise.reject(new Rejection('Declined', 'it is there, declined'));
      const request = { send: () => Promise.reject(new Error('lost')), lookUp };
      await rejects(outbound.apply(op(gid, 'action'), {}, request), /lost/);
      await rejects(outbound.apply(op(gid, 'action'), {}, request), { name: 'Rejection', type: 'Declined' });
    });
  });

  describe('until a person says what was found', () => {
    const action = (gid: string) => ({ gid, branch: 'pay', op: 'action' }) as const;
    const compensation = (gid: string) => ({ gid, branch: 'pay', op: 'compensation' }) as const;

    it('it happened: the operation is answered with what it would have returned', async () => {
      const branch = stage.branch({ keys: false });
      faults('lose-reply', 'lose-reply');
      await rejects(branch.action());
      await recordFound(stage.db, action(branch.gid), { result: { id: 'found' } });
      assert.deepEqual(await branch.action(), { id: 'found' });
      await rejects(branch.undo());
      await rejects(branch.undo(), Undecidable);
      await recordFound(stage.db, compensation(branch.gid), { result: { id: 'given back' } });
      assert.deepEqual(await branch.undo(), { id: 'given back' });
      assert.equal(branch.net(), 0);
    });

    it('it did not: an action is barred, an undo is begun anew with another key', async () => {
      const branch = stage.branch({ keys: false });
      faults('lose-request');
      await rejects(branch.action());
      await rejects(branch.undo(), Undecidable);
      await recordFound(stage.db, action(branch.gid), undefined);
      assert.equal(await branch.undo(), undefined);
      assert.equal(await branch.outcome(2), 'empty');
      const other = stage.branch({ keys: false });
      await other.action();
      faults('lose-request');
      await rejects(other.undo());
      await recordFound(stage.db, compensation(other.gid), undefined);
      await other.undo();
      assert.equal(other.net(), 0);
      assert.equal(new Set(other.sent()).size, 3);
    });

    it('what is decided already, or was never begun, is left as it is', async () => {
      const branch = stage.branch();
      await rejects(recordFound(stage.db, action(branch.gid), undefined), /nothing is there of it/);
      await branch.action();
      await rejects(recordFound(stage.db, action(branch.gid), undefined), /its outcome is 'applied', as action/);
      await rejects(recordFound(stage.db, { ...action(branch.gid), op: 'try' }, undefined), /waits for no answer/);
    });
  });

  describe('with an input that a person corrected', () => {
    it('the undo is sent with it, to an action that had another', async () => {
      const { action, undo, payment, net, gid } = stage.branch();
      await action();
      faults('refuse');
      await rejects(undo(), Rejection);
      const corrected = { ...payment, note: 'another account' };
      await rejects(undo({}, corrected), InputMismatch);
      await undo({ corrected: true }, corrected);
      assert.equal(net(), 0);
      assert.deepEqual((await stage.row(gid, 2))?.input, corrected);
      await undo({ corrected: true }, payment);
      assert.equal(net(), 0);
    });

    it('what was sent before with the other is made definite with that one first: done is done', async () => {
      const { action, undo, payment, booked } = stage.branch();
      await action();
      faults('lose-reply');
      await rejects(undo());
      assert.match((await undo({ corrected: true }, { ...payment, amount: 1 }))?.id ?? '', /^refund-/);
      assert.deepEqual(booked(), ['charge', 'refund']);
    });

    it('and if that was refused, the corrected one is sent in the same attempt', async () => {
      const { action, undo, payment, sent, net } = stage.branch();
      await action();
      faults('lose-request', 'refuse');
      await rejects(undo());
      await undo({ corrected: true }, { ...payment, note: 'corrected' } as typeof payment);
      assert.deepEqual([net(), new Set(sent()).size, sent().length], [0, 3, 4]);
    });

    it('an action without an outcome is made definite with the input that it had, not with the corrected one', async () => {
      const { action, undo, payment, booked, net } = stage.branch();
      faults('lose-request');
      await rejects(action());
      await undo({ corrected: true }, { ...payment, note: 'corrected' } as typeof payment);
      assert.deepEqual([net(), booked()], [0, ['charge', 'refund']]);
    });

    it('and one whose input is stored masked is undecidable', async () => {
      const { gid, action, undo, payment, sent } = stage.branch({ mask: ['account'] });
      faults('lose-request');
      await rejects(action());
      await rejects(undo({ corrected: true }, { ...payment, amount: 1 }), /its input is stored masked/);
      assert.equal(sent().length, 1);
      await recordFound(stage.db, { gid, branch: 'pay', op: 'action' }, undefined);
      assert.equal(await undo({ corrected: true }, { ...payment, amount: 1 }), undefined);
    });
  });

  it('keys fit where idempotency keys go, and differ by transaction, branch, operation and scope', async () => {
    const keys: string[] = [];
    const request = { send: ({ key }: { key: string }) => Promise.resolve(keys.push(key)) };
    const gid = newGid();
    const long = `${gid}-${'ü'.repeat(900)}`;
    const outbound = createOutbound(stage.db);
    await outbound.apply(op(gid, 'action'), {}, request);
    await outbound.undo(op(gid, 'compensation'), {}, request, request);
    await outbound.apply(op(gid, 'action', { branch: 'other' }), {}, request);
    await outbound.apply(op(long, 'action'), {}, request);
    await stage.pool.query('delete from backstitch.guard where gid = $1', [gid]);
    await createOutbound(stage.db, { keyScope: 'staging' }).apply(op(gid, 'action'), {}, request);
    for (const key of keys) assert.match(key, /^[\w-]{43}$/);
    assert.equal(new Set(keys).size, 5);
    // Another release must make the same of them: an intent may be older than it.
    await stage.pool.query('delete from backstitch.guard where gid = $1', ['fixed']);
    await outbound.apply(op('fixed', 'action'), {}, request);
    assert.equal(keys.at(-1), 'sdXG8_UfRJT2xNqWrCFO3c0OT4WV9wjwx2u6DM3Q4KE');
  });
});
