import assert from 'node:assert/strict';
import {
  createInbox,
  HeldUp,
  NotYet,
  Poison,
  Rejection,
  type Database,
  type Handled,
  type Message,
  type Sql,
} from '../../../../src/kit/database/index.js';
import { idsOf, message, never, note, nth, Stage } from './support.js';

describe('the inbox, with many messages at once', () => {
  const stage = new Stage();
  const names = (outcomes: readonly (Handled<unknown> | Error)[]) =>
    outcomes.map((outcome) => (outcome instanceof Error ? outcome.name : outcome.outcome));

  /** The same database, and how many transactions were begun in it. */
  function counting(): { db: Database; transactions: () => number } {
    let count = 0;
    const db: Database = {
      ...stage.db,
      transaction: (work, timeoutMs) => {
        count++;
        return stage.db.transaction(work, timeoutMs);
      },
    };
    return { db, transactions: () => count };
  }

  it('handles them in one SQL transaction, in their order', async () => {
    const { db, transactions } = counting();
    const many = Array.from({ length: 50 }, () => message());
    assert.deepEqual(new Set(names(await stage.inbox({ database: db }).handleAll(many, note))), new Set(['applied']));
    assert.equal(transactions(), 1);
    assert.deepEqual(await stage.effects(many), idsOf(many));
  });

  it('leaves out those that fail, and those of their keys behind them', async () => {
    const { db, transactions } = counting();
    const inbox = stage.inbox({ database: db });
    const errors = [new Rejection('No', 'no'), new NotYet('not yet'), new Poison('what?'), new Error('a bug')];
    const bad = errors.map((_, at) => message({ key: `bad-${at}` }));
    const behind = message({ key: 'bad-1' });
    const good = Array.from({ length: 20 }, (_, at) => message({ key: `good-${at % 3}` }));
    const work = async (sql: Sql, each: Message) => {
      await note(sql, each);
      const at = bad.indexOf(each);
      if (at >= 0) throw nth(errors, at);
    };
    const outcomes = await inbox.handleAll([...bad, behind, ...good], work);
    assert.deepEqual(names(outcomes), [
      ...['Poison', 'NotYet', 'Poison', 'Error', 'HeldUp'],
      ...good.map(() => 'applied'),
    ]);
    assert.ok(outcomes[4] instanceof HeldUp);
    assert.deepEqual(await stage.effects([...bad, behind, ...good]), idsOf(good));
    assert.equal((await stage.row(inbox, nth(bad, 0)))?.outcome, 'rejected');
    assert.ok(transactions() < 30, `${transactions()} transactions`);
  });

  it('takes a message for a failure only when it fails by itself', async () => {
    const inbox = stage.inbox();
    const [spoiler, spoiled, other] = [message(), message(), message()];
    const work = async (sql: Sql, each: Message) => {
      const noted = await sql('select from effects where id = $1', [spoiler.id]);
      if (each === spoiled && noted.length > 0) throw new Rejection('Spoiled', 'the spoiler was first');
      await note(sql, each);
      if (each === spoiler) await sql('select 1 / 0');
    };
    const outcomes = await inbox.handleAll([spoiler, spoiled, other], work);
    assert.deepEqual(names(outcomes), ['error', 'applied', 'applied']); // As pg calls its own.
  });

  it('takes one that comes twice in one go once, and another with its id for poison', async () => {
    const inbox = stage.inbox();
    const [one, two] = [message(), message()];
    const outcomes = await inbox.handleAll([one, one, two, { ...two, payload: 'other' }], (_, each) =>
      Promise.resolve(each.seq),
    );
    assert.deepEqual(names(outcomes), ['applied', 'duplicate', 'applied', 'Poison']);
    assert.deepEqual(outcomes[1], { outcome: 'duplicate', result: one.seq });
  });

  it('throws when the connection is lost, and finds what was handled when all come again', async () => {
    const { db, transactions } = counting();
    const inbox = createInbox({ database: db, consumer: 'lost' });
    const many = Array.from({ length: 5 }, () => message());
    const killing = async (sql: Sql, each: Message) => {
      await note(sql, each);
      if (each === many[2]) await sql('select pg_terminate_backend(pg_backend_pid())');
    };
    await assert.rejects(inbox.handleAll(many, killing), { code: '57P01' });
    assert.equal(transactions(), 1);
    assert.deepEqual(await stage.effects(many), []);
    assert.deepEqual(new Set(names(await inbox.handleAll(many, note))), new Set(['applied']));
    assert.deepEqual(new Set(names(await inbox.handleAll(many, never))), new Set(['duplicate']));
  });

  it('lets two batches of the same messages in other orders meet without a deadlock', async () => {
    const inbox = stage.inbox({ order: 'per-key' });
    const many = Array.from({ length: 40 }, (_, at) => message({ key: `k-${at}` }));
    const [one, two] = await Promise.all([inbox.handleAll(many, note), inbox.handleAll([...many].reverse(), note)]);
    const all = [...names(one), ...names(two)];
    assert.equal(all.filter((name) => name === 'applied').length, 40);
    assert.equal(all.filter((name) => name === 'duplicate').length, 40);
  });
});
