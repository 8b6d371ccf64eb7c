import assert from 'node:assert/strict';
import { forgetInbox, OutOfOrder, type Inbox, type Message } from '../../../../src/kit/database/index.js';
import { chain, Gate, idsOf, message, never, note, Stage } from './support.js';

describe('the inbox, in order per key', () => {
  const stage = new Stage();
  const ordered = () => stage.inbox({ order: 'per-key' });
  const handle = (inbox: Inbox, each: Message) => inbox.handle(each, (sql) => note(sql, each));

  it('refuses a message whose predecessor was not handled, and handles it after that', async () => {
    const inbox = ordered();
    const [first, second, third] = chain(3) as [Message, Message, Message];
    await assert.rejects(handle(inbox, second), OutOfOrder); // A key that nobody knows.
    await handle(inbox, first);
    await assert.rejects(handle(inbox, third), (error: Error) => {
      assert.ok(error instanceof OutOfOrder);
      assert.match(
        error.message,
        new RegExp(`'${third.id}'.*before number ${second.seq} of its key '${second.key ?? ''}'`),
      );
      return true;
    });
    await handle(inbox, second);
    await handle(inbox, third);
    assert.equal((await inbox.handle(second, never)).outcome, 'duplicate');
    assert.deepEqual(await stage.effects([first, second, third]), idsOf([first, second, third]));
  });

  it('leaves alone what has no key, other keys and other sources', async () => {
    const inbox = ordered();
    const [, second] = chain(2, 'same') as [Message, Message];
    await handle(inbox, message({ after: 1_000_000 }));
    await handle(inbox, message({ key: 'same', source: 'payments' }));
    await handle(inbox, message({ key: 'other' }));
    await assert.rejects(handle(inbox, second), OutOfOrder);
  });

  it('lets a message wait for the one before it that is in flight', async () => {
    const inbox = ordered();
    const [first, second] = chain(2) as [Message, Message];
    const gate = new Gate();
    const one = inbox.handle(first, async (sql) => {
      await gate.pass();
      await note(sql, first);
    });
    await gate.reached;
    const two = handle(inbox, second);
    await stage.untilBlocked();
    gate.open();
    await Promise.all([one, two]);
    assert.deepEqual(await stage.effects([first, second]), idsOf([first, second]));
  });

  it('handles what comes late with a lower number: it was delayed, or sent again when others had gone past it', async () => {
    const inbox = ordered();
    const [first, skipped, third] = chain(3) as [Message, Message, Message];
    await handle(inbox, first);
    await handle(inbox, { ...third, after: first.seq });
    const late = { ...skipped, after: third.seq };
    assert.equal((await handle(inbox, late)).outcome, 'applied');
    assert.equal((await inbox.handle(late, never)).outcome, 'duplicate');
    const next = message({ key: first.key, after: third.seq });
    assert.equal((await handle(inbox, next)).outcome, 'applied');
  });

  it('counts what was forgotten as handled, and does not handle it again', async () => {
    const inbox = ordered();
    const [first, second, third, fourth] = chain(4) as [Message, Message, Message, Message];
    await handle(inbox, first);
    await stage.age(inbox, 40);
    await handle(inbox, second);
    await forgetInbox(stage.db);
    assert.equal(await stage.row(inbox, first), undefined);
    assert.deepEqual(await inbox.handle(first, never), { outcome: 'duplicate', result: undefined });
    // The key itself is forgotten with its last message.
    await stage.age(inbox, 40);
    await forgetInbox(stage.db);
    const { rows } = await stage.pool.query('select from backstitch.inbox_keys where consumer = $1', [inbox.consumer]);
    assert.equal(rows.length, 0);
    await assert.rejects(handle(inbox, fourth), OutOfOrder);
    await handle(inbox, third);
    await handle(inbox, fourth);
  });

  it('begins in the middle of a source by a word', async () => {
    const inbox = ordered();
    const [, second, , fourth] = chain(4) as [Message, Message, Message, Message];
    await assert.rejects(handle(inbox, second), OutOfOrder);
    await inbox.beginAfter('orders', second.seq);
    await inbox.beginAfter('orders', 1);
    await handle(inbox, second);
    await assert.rejects(handle(inbox, fourth), OutOfOrder);
  });

  it('handles many of one key together, and leaves out those that are early', async () => {
    const inbox = ordered();
    const [kept, gap] = [chain(4), chain(4)];
    const [one, , three, four] = gap as [Message, Message, Message, Message];
    const all = [...kept.slice(0, 2), one, three, ...kept.slice(2), four];
    const outcomes = await inbox.handleAll(all, note);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome instanceof Error ? outcome.name : outcome.outcome)),
      ['applied', 'applied', 'applied', 'OutOfOrder', 'applied', 'applied', 'HeldUp'],
    );
    assert.deepEqual(await stage.effects(kept), idsOf(kept));
    const again = await inbox.handleAll(gap, note);
    assert.deepEqual(
      again.map((outcome) => (outcome instanceof Error ? outcome.name : outcome.outcome)),
      ['duplicate', 'applied', 'applied', 'applied'],
    );
    assert.deepEqual(await stage.effects(gap), idsOf(gap));
  });
});
