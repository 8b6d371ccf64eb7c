import assert from 'node:assert/strict';
import postgres from 'postgres';
import {
  createInbox,
  NotYet,
  pgDatabase,
  Poison,
  postgresJsDatabase,
  Rejection,
  UnstorableResult,
  type Inbox,
  type Message,
} from '../../../../src/kit/database/index.js';
import { Gate, message, never, note, Stage } from './support.js';

describe('the inbox', () => {
  let sqlClient: postgres.Sql;
  after(() => sqlClient.end()); // Before the stage drops its database.
  const stage = new Stage();
  before(() => {
    sqlClient = postgres(stage.url, { max: 5, onnotice: () => undefined });
  });
  const refuse = () => Promise.reject(new Rejection('NoAccount', 'there is no such account'));

  for (const [client, databaseOf] of [
    ['pg', () => stage.db],
    ['pg without prepared statements', () => pgDatabase(stage.pool, { prepare: false })],
    ['postgres.js', () => postgresJsDatabase(sqlClient as never)],
  ] as const) {
    describe(`with ${client}`, () => {
      let made: Inbox | undefined;
      const inbox = () => (made ??= stage.inbox({ database: databaseOf() }));

      it('handles a message that is new, and keeps what came of it', async () => {
        const one = message({ key: 'k' });
        const handled = await inbox().handle(one, async (sql) => {
          await note(sql, one);
          return { points: 3 };
        });
        assert.deepEqual(handled, { outcome: 'applied', result: { points: 3 } });
        assert.deepEqual(await stage.effects([one]), [one.id]);
        const row = await stage.row(inbox(), one);
        assert.deepEqual(
          [row?.outcome, row?.result, row?.topic, row?.source, row?.key, row?.seq, row?.attempt],
          ['applied', { points: 3 }, one.topic, one.source, one.key, String(one.seq), 1],
        );
      });

      it('answers a message that comes again with the stored result, and does nothing', async () => {
        const [one, silent] = [message(), message()];
        await inbox().handle(one, () => Promise.resolve({ at: 'first' }));
        await inbox().handle(silent, () => Promise.resolve());
        const again = { ...one, attempt: 2, after: 7, addedAt: 1 };
        assert.deepEqual(await inbox().handle(again, never), { outcome: 'duplicate', result: { at: 'first' } });
        assert.deepEqual(await inbox().handle(silent, never), { outcome: 'duplicate', result: undefined });
      });

      it('refuses another message with the same id', async () => {
        const one = message({ payload: { a: 1, b: 2 }, key: 'k' });
        await inbox().handle(one, () => Promise.resolve());
        await inbox().handle({ ...one, payload: { b: 2, a: 1 } }, never); // The order of keys does not count.
        const others: Partial<Message>[] = [{ payload: { a: 2 } }, { topic: 't' }, { key: 'l' }, { source: 's' }];
        for (const other of others) {
          await assert.rejects(inbox().handle({ ...one, ...other }, never), (error: Error) => {
            assert.ok(error instanceof Poison);
            assert.match(error.message, /was handled before with another content: an id is used twice/);
            return true;
          });
        }
      });

      it('handles many together, and finds them again', async () => {
        const many = [message(), message({ key: 'k' }), message({ key: 'l' })];
        const work = async (sql: Parameters<typeof note>[0], each: Message) => {
          await note(sql, each);
          return each.key === undefined ? undefined : { key: each.key };
        };
        const results = [undefined, { key: 'k' }, { key: 'l' }];
        assert.deepEqual(
          await inbox().handleAll(many, work),
          results.map((result) => ({ outcome: 'applied', result })),
        );
        assert.deepEqual(
          await inbox().handleAll(many, never),
          results.map((result) => ({ outcome: 'duplicate', result })),
        );
        assert.equal((await stage.effects(many)).length, 3);
      });

      it('keeps a refusal: whoever delivered it at the same time is refused too, whoever sends it again is not', async () => {
        const one = message();
        const poisoned = { name: 'Poison', message: /was refused \(NoAccount\): there is no such account/ };
        await assert.rejects(inbox().handle(one, refuse), (error: Error) => {
          assert.ok(error.cause instanceof Rejection);
          assert.deepEqual([error.name, error.cause.type], ['Poison', 'NoAccount']);
          return true;
        });
        assert.equal((await stage.row(inbox(), one))?.outcome, 'rejected');
        await assert.rejects(inbox().handle(one, never), poisoned);
        await assert.rejects(inbox().handle({ ...one, attempt: 2 }, refuse), poisoned);
        await assert.rejects(inbox().handle({ ...one, attempt: 2 }, never), poisoned);
        const again = await inbox().handle({ ...one, attempt: 3 }, () => Promise.resolve('done'));
        assert.deepEqual(again, { outcome: 'applied', result: 'done' });
        assert.deepEqual(await inbox().handle(one, never), { outcome: 'duplicate', result: 'done' });
      });
    });
  }

  it('takes back the row with the work, whatever the work throws', async () => {
    const inbox = stage.inbox();
    const one = message();
    const throwing = async (work: Parameters<Inbox['handle']>[1]) => {
      await inbox.handle(one, async (sql) => {
        await note(sql, one);
        return work(sql);
      });
    };
    await assert.rejects(
      throwing(() => Promise.reject(new NotYet('no stock'))),
      NotYet,
    );
    await assert.rejects(
      throwing(() => Promise.reject(new Poison('what is this?'))),
      Poison,
    );
    await assert.rejects(
      throwing(() => Promise.reject(new Error('a bug'))),
      /a bug/,
    );
    await assert.rejects(
      throwing((sql) => sql('insert into effects (id, seq) values (null, 1)')),
      { code: '23502' },
    );
    await assert.rejects(
      throwing(() => Promise.resolve(10n)),
      UnstorableResult,
    );
    assert.equal(await stage.row(inbox, one), undefined);
    assert.deepEqual(await stage.effects([one]), []);
    assert.equal((await inbox.handle(one, (sql) => note(sql, one))).outcome, 'applied');
  });

  it('lets the second of two deliveries at once wait for the first, and read its result', async () => {
    const [inbox, one] = [stage.inbox(), message()];
    const gate = new Gate();
    const first = inbox.handle(one, async (sql) => {
      await note(sql, one);
      await gate.pass();
      return 'first';
    });
    await gate.reached;
    const second = inbox.handle(one, never);
    await stage.untilBlocked();
    gate.open();
    assert.deepEqual(await Promise.all([first, second]), [
      { outcome: 'applied', result: 'first' },
      { outcome: 'duplicate', result: 'first' },
    ]);
  });

  it('does not wait for ever: neither for another delivery, nor for the work', async () => {
    const [inbox, one] = [stage.inbox(), message()];
    const hasty = createInbox({ database: stage.db, consumer: inbox.consumer, timeoutMs: 100 });
    const gate = new Gate();
    const first = inbox.handle(one, () => gate.pass());
    await gate.reached;
    await assert.rejects(hasty.handle(one, never), { code: '55P03' });
    gate.open();
    await first;
    const slow = message();
    await assert.rejects(hasty.handle(slow, (sql) => sql('select pg_sleep(60)')));
    assert.equal(await stage.row(hasty, slow), undefined);
  });

  it('takes what is no message for poison, and begins nothing for whoever has left', async () => {
    const inbox = stage.inbox();
    for (const wrong of [
      { id: '' },
      { id: 'x'.repeat(201) },
      { topic: 7 as never },
      { key: '\0' },
      { source: '\ud800' },
      { seq: 0.5 },
      { attempt: 0 },
      { addedAt: Number.NaN },
    ]) {
      await assert.rejects(inbox.handle(message(wrong), never), {
        name: 'Poison',
        message: /what came is no message: its/,
      });
    }
    await assert.rejects(inbox.handle(undefined as never, never), Poison);
    await assert.rejects(inbox.handle(message(), never, AbortSignal.abort(new Error('left'))), /left/);
    assert.throws(() => createInbox({ database: stage.db, consumer: '' }), RangeError);
    assert.throws(() => createInbox({ database: stage.db, consumer: 'c', timeoutMs: Number.NaN }), RangeError);
  });

  it('handles a message once for each consumer', async () => {
    const one = message();
    for (const inbox of [stage.inbox(), stage.inbox()]) await inbox.handle(one, (sql) => note(sql, one));
    assert.equal((await stage.effects([one])).length, 2);
  });
});
