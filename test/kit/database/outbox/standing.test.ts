import assert from 'node:assert/strict';
import { standingOf } from '../../../../src/kit/database/outbox/standing.js';
import { outboxOf, OutboxStage } from './stage.js';

describe('how a stream stands', () => {
  const stage = new OutboxStage();
  const outbox = outboxOf();
  const HOUR = 3_600_000;

  /** For how many whole hours the oldest waits. */
  const waits = async () => {
    const [{ oldestMs } = {}] = await standingOf(stage.db, ['shop/all/0']);
    return oldestMs === undefined ? undefined : Math.floor(oldestMs / HOUR);
  };
  const sql = (text: string) => stage.pool.query(text);

  it('says for how long the oldest waits, of what is due, in its order or aside; not of dead letters', async () => {
    await stage.fillDead('shop/all/0', 1);
    await sql(`update backstitch.outbox_lanes set failed_at = failed_at - interval '9 hours'`);
    await stage.add(outbox, { topic: 'a', deliverAfter: Date.now() + HOUR });
    assert.equal(await waits(), undefined);
    await stage.add(outbox, { topic: 'a', deliverAfter: Date.now() - 2 * HOUR });
    assert.equal(await waits(), 2);
    await stage.add(outbox, { topic: 'a' });
    await sql(`update backstitch.outbox set added_at = now() - interval '4 hours'`);
    assert.equal(await waits(), 4);
    // Due since long ago, or not yet: what has failed waits since then.
    await sql(`update backstitch.outbox_lanes set failed_at = now() - interval '6 hours' where due_at is not null`);
    assert.equal(await waits(), 6);
  });
});
