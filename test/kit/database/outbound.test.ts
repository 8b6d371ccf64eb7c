import assert from 'node:assert/strict';
import {
  Barred,
  createOutbound,
  InputMismatch,
  Rejection,
  Suspended,
  Undone,
  type OutboundRequest,
} from '../../../src/kit/database/index.js';
import { OutboundStage } from './support/outbound-stage.js';
import type { Fault } from './support/provider.js';
import { newGid, op } from './support/stage.js';

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
});
