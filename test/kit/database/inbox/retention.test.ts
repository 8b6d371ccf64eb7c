import assert from 'node:assert/strict';
import { forgetInbox, Rejection } from '../../../../src/kit/database/index.js';
import { chain, message, note, nth, Stage } from './support.js';

describe('the inbox, after its retention', () => {
  const stage = new Stage();
  const sources = async (consumer: string) =>
    (await stage.pool.query<object>('select source, seq from backstitch.inbox_sources where consumer = $1', [consumer]))
      .rows;

  it('forgets what is old, in batches, and nothing else', async () => {
    const [old, young] = [stage.inbox(), stage.inbox()];
    const many = Array.from({ length: 25 }, () => message());
    await old.handleAll(many, note);
    await young.handleAll(many, note);
    await stage.age(old, 31);
    await stage.age(young, 29);
    assert.equal(await forgetInbox(stage.db, { batch: 10 }), 25);
    assert.equal(await stage.row(old, nth(many, 0)), undefined);
    assert.equal((await stage.row(young, nth(many, 0)))?.outcome, 'applied');
    assert.equal(await forgetInbox(stage.db, { olderThanDays: 28 }), 25);
    await assert.rejects(forgetInbox(stage.db, { olderThanDays: 0 }), RangeError);
    await assert.rejects(forgetInbox(stage.db, { batch: 1.5 }), RangeError);
  });

  it('notes how far it has forgotten each source, but for what was refused', async () => {
    const inbox = stage.inbox({ order: 'per-key' });
    const kept = chain(3);
    const refused = message({ key: 'refused' });
    await inbox.handleAll(kept, note);
    await assert.rejects(inbox.handle(refused, () => Promise.reject(new Rejection('No', 'no'))));
    await stage.age(inbox, 31);
    assert.equal(await forgetInbox(stage.db, { batch: 2 }), 4);
    assert.deepEqual(await sources(inbox.consumer), [{ source: 'orders', seq: String(kept.at(-1)?.seq) }]);
  });

  it('finds what is old by an index, however much is kept', async () => {
    const inbox = stage.inbox();
    await stage.pool.query(
      `insert into backstitch.inbox (consumer, message_id, source, seq, topic, content_hash, outcome, attempt)
       select $1, 'bulk-' || n, 'orders', n, 't', 'h', 'applied', 1 from generate_series(1, 20000) n`,
      [inbox.consumer],
    );
    await stage.pool.query('analyze backstitch.inbox');
    const { rows } = await stage.pool.query<Record<string, string>>(
      'explain select ctid from backstitch.inbox where handled_at < now() - make_interval(days => 30) limit 1000',
    );
    assert.match(JSON.stringify(rows), /Index.*inbox_handled/);
  });
});
