import assert from 'node:assert/strict';
import { Rejection, type MarkerOptions, type Markers } from '../../../../src/kit/database/index.js';
import { Gate } from '../inbox/support.js';
import { fresh } from './stage.js';

/** Where markers are kept, for tests that are the same everywhere. */
export interface MarkerHome {
  /** @param around is given each question to the store, and may lose its answer */
  markers(options?: MarkerOptions, around?: <T>(ask: () => Promise<T>) => Promise<T>): Markers;
  /** Lets a marker's time be over. */
  expire(key: string): Promise<unknown>;
}

export function markerTests(home: MarkerHome): void {
  const key = () => fresh('sms/order');
  const never = () => Promise.reject(new Error('must not run'));

  it('lets the work be done once of many at once, and after that not at all', async () => {
    const of = key();
    let sent = 0;
    const send = () => Promise.resolve(++sent);
    const all = await Promise.all(Array.from({ length: 10 }, () => home.markers().once(of, send)));
    assert.deepEqual([sent, all.filter(({ outcome }) => outcome === 'done').length], [1, 1]);
    assert.deepEqual(await home.markers().once(of, never), { outcome: 'marked' });
  });

  it('is free again after a definite failure, and stays after any other', async () => {
    const of = key();
    const refused = () => Promise.reject(new Rejection('InvalidNumber', 'no such number'));
    await assert.rejects(home.markers().once(of, refused), Rejection);
    await assert.rejects(
      home.markers().once(of, () => Promise.reject(new Error('no answer'))),
      /no answer/,
    );
    assert.equal((await home.markers().once(of, never)).outcome, 'marked');
    const other = key();
    const isDefinite = (error: unknown) => error instanceof TypeError;
    await assert.rejects(
      home.markers({ isDefinite }).once(other, () => Promise.reject(new TypeError())),
      TypeError,
    );
    assert.equal((await home.markers().once(other, () => Promise.resolve())).outcome, 'done');
  });

  it('is free again when its time is over, and who was late takes back only its own', async () => {
    const of = key();
    const gate = new Gate();
    const late = home.markers().once(of, async () => {
      await gate.pass();
      throw new Rejection('Late', 'refused, late');
    });
    late.catch(() => undefined);
    await gate.reached;
    await home.expire(of);
    assert.equal((await home.markers().once(of, () => Promise.resolve())).outcome, 'done');
    gate.open();
    await assert.rejects(late, Rejection);
    assert.equal((await home.markers().once(of, never)).outcome, 'marked');
  });

  it('does nothing where it cannot be set for certain, and is taken back', async () => {
    const of = key();
    let asked = 0;
    const markers = home.markers({}, async (ask) => {
      const answer = await ask();
      if (++asked === 1) throw new Error('the answer was lost');
      return answer;
    });
    await assert.rejects(markers.once(of, never), /the answer was lost/);
    assert.equal((await markers.once(of, () => Promise.resolve())).outcome, 'done');
  });
}
