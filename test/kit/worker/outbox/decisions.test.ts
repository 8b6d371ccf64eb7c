import assert from 'node:assert/strict';
import { Poison } from '../../../../src/kit/database/index.js';
import { decideLetter } from '../../../../src/kit/database/outbox/letters.js';
import { until } from '../../../support/until.js';
import { Recorder } from '../../database/outbox/stage.js';
import { keyed, RelayStage } from './support.js';

describe('a person, of dead letters,', () => {
  const stage = new RelayStage();
  const poisoned = async (sink: Recorder, ...behind: unknown[]) => {
    let isBad = true;
    sink.onMessage = ({ payload }) =>
      payload === 'bad' && isBad ? Promise.reject(new Poison('bad')) : Promise.resolve();
    await stage.send(...keyed('k', 'bad', ...behind));
    const run = stage.start(sink);
    await until(async () => (await stage.dead()).letters[0]?.behind === behind.length);
    const [letter] = (await stage.dead()).letters;
    assert.ok(letter);
    return { ...run, letter, mend: () => (isBad = false) };
  };
  const order = { actor: 'ann', reason: 'looked at it' };

  it('sends a dead letter again: it goes first, then what waits behind it', async () => {
    const sink = new Recorder();
    const { letter, mend } = await poisoned(sink, 1, 2);
    mend();
    assert.equal(await decideLetter(stage.db, { ...order, ...letter, action: 'resend' }), true);
    await sink.taken(3);
    assert.deepEqual(sink.payloads, ['bad', 1, 2]);
    assert.equal(await decideLetter(stage.db, { ...order, ...letter, action: 'resend' }), false);
  });

  it('sends one again that is still bad: it is a dead letter again, and nothing has passed it', async () => {
    const sink = new Recorder();
    const { letter, relay } = await poisoned(sink, 1);
    await decideLetter(stage.db, { ...order, ...letter, action: 'resend' });
    await until(() => relay.stats.dead >= 2);
    assert.deepEqual([sink.payloads, (await stage.dead()).total], [[], 1]);
  });

  it('discards one: what waits behind it goes on, and the message is kept with who it was and why', async () => {
    const sink = new Recorder();
    const { letter } = await poisoned(sink, 1, 2);
    await decideLetter(stage.db, { ...order, ...letter, action: 'discard' });
    await sink.taken(2);
    assert.deepEqual([sink.payloads, (await stage.dead()).total], [[1, 2], 0]);
    const { rows } = await stage.pool.query(
      'select action, actor, reason, error, message from backstitch.outbox_decisions',
    );
    assert.equal(rows.length, 1);
    const [{ message, ...kept }] = rows as [{ message: { payload: unknown } }];
    assert.deepEqual(kept, { action: 'discarded', actor: 'ann', reason: 'looked at it', error: 'bad' });
    assert.equal(message.payload, 'bad');
  });

  it('skips one: what waits behind it goes on, it stays a dead letter and can be sent later', async () => {
    const sink = new Recorder();
    const { letter, mend } = await poisoned(sink, 1);
    await decideLetter(stage.db, { ...order, ...letter, action: 'skip' });
    await sink.taken(1);
    assert.deepEqual(
      [sink.payloads, (await stage.dead()).letters.map(({ payload, behind }) => [payload, behind])],
      [[1], [['bad', 0]]],
    );
    mend();
    await decideLetter(stage.db, { ...order, ...letter, action: 'resend' });
    await sink.taken(2);
    assert.deepEqual(sink.payloads, [1, 'bad']);
    await stage.empty('outbox_lanes', 'outbox_parked');
  });

  it('discards the only message of a key while the next one comes: that is delivered', async () => {
    const sink = new Recorder();
    for (let n = 0; n < 20; n++) {
      const { letter, stop } = await poisoned(sink);
      await Promise.all([
        decideLetter(stage.db, { ...order, ...letter, action: 'discard' }),
        stage.send(...keyed('k', n)),
      ]);
      await sink.taken(n + 1);
      await stop();
    }
  });
});
