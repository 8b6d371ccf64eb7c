import assert from 'node:assert/strict';
import { MockActivityEnvironment } from '@temporalio/testing';
import {
  announcementsOf,
  createGuard,
  Rejection,
  type Guard,
  type Operation,
} from '../../../src/kit/database/index.js';
import { groupActivities } from '../../../src/kit/worker/index.js';
import { groupDriver, type Fate } from '../../../src/kit/workflow/fate.js';
import { turnKey, type Turn, type TurnAnswer, type TurnAsk, type TurnCall } from '../../../src/kit/workflow/group.js';
import { add, newGid, op, Stage } from '../database/support/stage.js';

/** Why one is undone. */
const CAUSE = { type: 'Refused', message: 'no' };

describe('a turn of a group', () => {
  const stage = new Stage();
  let guard: Guard;
  before(() => {
    guard = createGuard(stage.db);
  });

  type Work = (operation: Operation, input: unknown) => Promise<unknown>;
  /** Carries a turn as a worker does. */
  const carry = async (asks: TurnAsk[], work: Work = (o, input) => guard.apply(o, input, add(o.gid, 1))) => {
    const participants = { shop: { pay: { action: work }, plain: { action: () => Promise.resolve('done') } } };
    const activities = groupActivities({ participants, databases: { shop: stage.db }, who: 'test' });
    const turn: Turn = { transaction: 'order', asks };
    const run = activities['backstitch.turn'];
    const { answers, bytes, of }: Awaited<ReturnType<typeof run>> = await new MockActivityEnvironment().run(run, turn);
    assert.equal(answers.length, asks.length);
    assert.equal(of, turnKey(asks));
    assert.ok(bytes > 0);
    return answers;
  };
  const driver = groupDriver('group-1', 0);
  const call = (gid: string, more: Partial<TurnCall> = {}): TurnAsk => ({
    ...{ kind: 'call', driver, function: 'shop.pay.action', args: [{}], opens: { inputHash: 'hash' } },
    ...{ branch: { gid, branch: 'pay', op: 'action', scheme: 'saga', seq: 1 }, limitMs: 2_000, attempts: 3, ...more },
  });
  const home = (gid: string) => ({ gid, home: 'shop', branch: 'pay', driver });
  const committed: Fate = { state: 'committed', transaction: 'order', inputHash: 'hash', lane: 'grouped', result: 1 };
  const end = (gid: string, from: 'running' | 'undoing' = 'running', fate = committed): TurnAsk => ({
    ...{ kind: 'end', from, fate, ...home(gid) },
  });
  /** Work in one statement. */
  const oneMore = (gid: string) => () => ({
    statement: { with: 'paid as (insert into ledger (gid, amount) values ($1, 1))', text: 'select 1 as done' },
    values: [gid],
  });
  const hows = (answers: readonly TurnAnswer[]) => answers.map(({ how }) => how);

  it('opens a transaction with its first step, and ends many in one statement, each once', async () => {
    const gids = [newGid(), newGid(), newGid()];
    const begun = await carry(gids.map((gid) => call(gid)));
    for (const answer of begun) assert.deepEqual(answer, { how: 'done', result: { done: 1 }, opened: true });
    const [first = '', second = '', third = ''] = gids;
    assert.deepEqual((await stage.row(first, 1))?.fate, {
      ...{ state: 'running', transaction: 'order', inputHash: 'hash', lane: 'grouped' },
    });
    const undo: TurnAsk = { kind: 'undo', cause: CAUSE, ...home(third) };
    assert.deepEqual(hows(await carry([undo])), ['won']);
    assert.deepEqual(hows(await carry([end(first), end(second), end(third), undo])), ['won', 'won', 'lost', 'won']);
    assert.deepEqual((await stage.row(second, 1))?.fate, committed);
    assert.deepEqual(hows(await carry([end(first), { kind: 'undo', cause: CAUSE, ...home(first) }])), ['lost', 'lost']);
  });

  it('is told from every other one: by who asks, for which call or decision, and in which order', () => {
    const gid = 'order-1';
    const asks = [
      call(gid),
      { ...call(gid), driver: groupDriver('group-1', 1) },
      call(gid, { function: 'shop.charge.action' }),
      call(gid, { branch: { gid, branch: 'charge', op: 'action', scheme: 'saga', seq: 1 } }),
      { kind: 'undo', cause: CAUSE, ...home(gid) } as const,
      end(gid),
      end(gid, 'undoing'),
    ];
    const turns = asks.flatMap((one) => [[one], ...asks.map((other) => [one, other])]);
    assert.equal(new Set(turns.map(turnKey)).size, turns.length);
    assert.equal(turnKey([call(gid, { args: [{ other: true }] })]), turnKey([call(gid)]));
  });

  it('of many calls makes Node warn of nothing', async () => {
    const warned: Error[] = [];
    const onWarning = (warning: Error) => warned.push(warning);
    process.on('warning', onWarning);
    try {
      await carry(Array.from({ length: 25 }, () => call(newGid())));
      await new Promise(setImmediate); // Warnings come in a turn of their own.
    } finally {
      process.off('warning', onWarning);
    }
    assert.deepEqual(warned, []);
  });

  it('says again that a step has opened the transaction, when its attempt before did', async () => {
    const gid = newGid();
    await carry([call(gid)]);
    const again = { how: 'done', result: { done: 1 }, opened: true, again: true };
    assert.deepEqual(await carry([call(gid)]), [again]);
    const atOnce: Work = (o, input) => guard.apply(o, input, add(o.gid, 1), oneMore(o.gid));
    assert.deepEqual(await carry([call(gid)], atOnce), [again]);
    assert.equal(await stage.net(gid), 1);
    // What opens it now says that too.
    const [now] = await carry([call(newGid())], atOnce);
    assert.deepEqual(now, { how: 'done', result: { done: 1 }, opened: true });
  });

  it('does nothing for another member that has the same transaction, and refuses another input', async () => {
    const gid = newGid();
    await carry([call(gid)]);
    const rival = { ...call(gid), driver: groupDriver('group-1', 1) };
    const [elsewhere, conflict] = await carry([
      rival,
      { ...rival, ...call(gid, { opens: { inputHash: 'other' } }), driver: rival.driver },
    ]);
    assert.ok(elsewhere?.how === 'decided' && elsewhere.detail.backstitch === 'elsewhere');
    assert.ok(conflict?.how === 'decided' && conflict.detail.backstitch === 'mismatch');
    // Its own step with another input is no other transaction.
    const [own] = await carry([call(gid, { args: [{ other: true }] })]);
    assert.ok(own?.how === 'decided' && own.detail.backstitch === 'mismatch' && own.opened === true);
    await carry([end(gid)]);
    const [decided] = await carry([rival]);
    assert.ok(decided?.how === 'decided' && decided.detail.backstitch === 'decided');
    assert.equal(await stage.net(gid), 1);
  });

  it('opens nothing where the transaction was begun with another first step, and tells that', async () => {
    const gid = newGid();
    const rival = (branch: string, inputHash = 'hash'): TurnAsk => ({
      ...call(gid, { branch: { gid, branch, op: 'action', scheme: 'saga', seq: 1 }, opens: { inputHash } }),
      driver: groupDriver('group-2', 0),
    });
    const details = async (asks: TurnAsk[], work?: Work) =>
      (await carry(asks, work)).map((answer) => (answer.how === 'decided' ? answer.detail.backstitch : answer.how));
    const atOnce: Work = (o, input) => guard.apply(o, input, add(o.gid, 1), oneMore(o.gid));
    await carry([call(gid)]);
    for (const work of [undefined, atOnce]) {
      assert.deepEqual(await details([rival('two'), rival('two', 'other')], work), ['elsewhere', 'mismatch']);
    }
    await carry([end(gid)]);
    for (const work of [undefined, atOnce]) assert.deepEqual(await details([rival('two')], work), ['decided']);
    assert.equal(await stage.net(gid), 1);
    // Where a workflow has taken it over, or has begun it.
    for (const work of [undefined, atOnce]) {
      const [announced, begun] = [newGid(), newGid()];
      await announcementsOf(stage.db).adopt(announced);
      await guard.apply(op(begun, 'action', { branch: 'two', driver: 'workflow:1' }), {}, add(begun, 1));
      assert.deepEqual(await details([call(announced), call(begun)], work), ['elsewhere', 'elsewhere']);
      assert.deepEqual([await stage.net(announced), await stage.net(begun)], [0, 1]);
    }
  });

  it('opens one transaction of two that come at one time under one gid, with different first steps', async () => {
    for (let times = 0; times < 5; times++) {
      const gid = newGid();
      const rival = { ...call(gid, { branch: { gid, branch: 'two', op: 'action', scheme: 'saga', seq: 1 } }) };
      const answers = await carry([call(gid), { ...rival, driver: groupDriver('group-2', 0) }]);
      assert.deepEqual(hows(answers).sort(), ['decided', 'done']);
      assert.equal(await stage.net(gid), 1);
    }
  });

  it('stores a rejection, and opens nothing by it', async () => {
    const gid = newGid();
    const refused: Work = (operation, input) =>
      guard.apply(operation, input, () => Promise.reject(new Rejection('NoMoney', 'no')));
    for (let times = 0; times < 2; times++) {
      const [answer] = await carry([call(gid)], refused);
      assert.deepEqual(answer, { how: 'decided', type: 'NoMoney', message: 'no', detail: { backstitch: 'rejected' } });
    }
    assert.equal((await stage.row(gid, 1))?.fate, null);
  });

  it('tries again what fails, within its attempts', async () => {
    const seen: number[] = [];
    const failing =
      (times: number): Work =>
      ({ attempt }) => {
        seen.push(attempt);
        return attempt <= times ? Promise.reject(new Error('lost')) : Promise.resolve('done');
      };
    assert.deepEqual(await carry([call(newGid())], failing(2)), [{ how: 'done', result: 'done' }]);
    assert.deepEqual(await carry([call(newGid(), { attempts: 1 })], failing(1)), [
      { how: 'unknown', type: 'Error', message: 'lost' },
    ]);
    assert.deepEqual(seen, [1, 2, 3, 1]);
  });

  it('does not wait for what has no answer in time, and tells it so', async () => {
    const aborted: boolean[] = [];
    const slow: Work = ({ signal }) =>
      new Promise(() => {
        signal.addEventListener('abort', () => aborted.push(true));
      });
    const plain = call(newGid(), { function: 'shop.plain.action' });
    const answers = await carry([call(newGid(), { limitMs: 100 }), plain], slow);
    assert.deepEqual(hows(answers), ['unknown', 'done']);
    assert.deepEqual(aborted, [true]);
    // No guard has opened anything.
    assert.deepEqual(answers[1], { how: 'done', result: 'done' });
  });

  it('keeps the others from nothing by a function or a database that is not there', async () => {
    const gid = newGid();
    await carry([call(gid)]);
    const nowhere = { ...end(newGid()), home: 'nowhere' } as TurnAsk;
    const answers = await carry([call(newGid(), { function: 'shop.none.action' }), nowhere, end(gid)]);
    assert.deepEqual(hows(answers), ['unknown', 'unknown', 'won']);
  });

  it('ends a transaction whose result cannot be stored, which says so', async () => {
    const [gid, odd] = [newGid(), newGid()];
    await carry([call(gid), call(odd)]);
    const unstorable = end(odd, 'running', { ...committed, result: 'a zero \u0000 character' });
    assert.deepEqual(hows(await carry([unstorable, end(gid)])), ['won', 'won']);
    const { fate } = (await stage.row(odd, 1)) as { fate: Fate };
    assert.ok(fate.state === 'committed' && !('result' in fate));
    assert.match(fate.unstored ?? '', /a zero character or half of a surrogate pair/);
  });

  it('keeps the others from nothing by an answer that JSON does not carry', async () => {
    const gid = newGid();
    const big = () => Promise.resolve({ big: 1n });
    const odd = await carry([call(newGid()), call(gid, { function: 'shop.plain.action' })], big);
    assert.deepEqual(hows(odd), ['unknown', 'done']);
    assert.ok(odd[0]?.how === 'unknown' && odd[0].type === 'NotJson', JSON.stringify(odd[0]));
  });

  it('ends those whose rows nobody has locked, and waits for none', async () => {
    const gids = [newGid(), newGid(), newGid()];
    const [one = '', locked = '', other = ''] = gids;
    await carry(gids.map((gid) => call(gid)));
    const holder = await stage.pool.connect();
    try {
      await holder.query('begin');
      await holder.query('select 1 from backstitch.guard where gid = $1 for update', [locked]);
      assert.deepEqual(hows(await carry([end(one), end(locked), end(other)])), ['won', 'lost', 'won']);
      assert.deepEqual(hows(await carry([{ kind: 'undo', cause: CAUSE, ...home(locked) }])), ['unknown']);
      // Its statement does not wait either.
      const waits = await stage.pool.query('select 1 from pg_locks where not granted');
      assert.equal(waits.rowCount, 0);
    } finally {
      await holder.query('rollback');
      holder.release();
    }
    assert.deepEqual(hows(await carry([end(locked)])), ['won']);
  });

  it('leaves out answers that a history cannot carry', async () => {
    const long: Work = () => Promise.resolve('x'.repeat(300_000));
    const answers = await carry(
      [call(newGid()), call(newGid()), call(newGid(), { function: 'shop.plain.action' })],
      long,
    );
    assert.deepEqual(hows(answers), ['done', 'unknown', 'done']);
  });
});
