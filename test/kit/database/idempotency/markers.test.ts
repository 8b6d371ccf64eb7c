import assert from 'node:assert/strict';
import { createMarkers, forgetMarkers } from '../../../../src/kit/database/index.js';
import { markerTests } from './markers.js';
import { fresh, LockStage } from './stage.js';

describe('markers in a database', () => {
  const stage = new LockStage();
  const expire = (key: string, days = 0) =>
    stage.db.run(
      'update backstitch.markers set expires_at = clock_timestamp() - make_interval(days => $2::int) where key = $1',
      [key, days],
    );
  markerTests({
    markers: (options, around = (ask) => ask()) =>
      createMarkers({ ...stage.db, run: (...asked) => around(() => stage.db.run(...asked)) as never }, options),
    expire,
  });

  it('stay for a day, and are removed some time after that', async () => {
    const key = fresh('sms');
    await createMarkers(stage.db).once(key, () => Promise.resolve());
    const row = await stage.one<{ hours: number }>(
      'select (extract(epoch from expires_at - set_at) / 3600)::float8 as hours from backstitch.markers where key = $1',
      key,
    );
    assert.equal(Math.round(row.hours), 24);
    await expire(key, 2);
    assert.equal(await forgetMarkers(stage.db), 1);
    assert.throws(() => createMarkers(stage.db, { ttlMs: 0 }), RangeError);
  });
});
