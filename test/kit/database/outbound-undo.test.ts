import assert from 'node:assert/strict';
import { createOutbound, InputMismatch, RowGone, Suspended } from '../../../src/kit/database/index.js';
import { CENTS, OutboundStage } from './support/outbound-stage.js';
import type { Fault } from './support/provider.js';
import { newGid, op } from './support/stage.js';

const DECLINED = { name: 'Rejection', type: 'Declined' };

describe('an undo outside SQL', () => {
  const stage = new OutboundStage();
  /** What befalls the next requests. */
  const faults = (...next: (Fault | undefined)[]) => void stage.provider.faults.push(...next);

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
