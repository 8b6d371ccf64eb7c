import assert from 'node:assert/strict';
import * as statements from '../../../../src/kit/database/outbox/stream-statements.js';
import { OutboxStage } from './stage.js';

describe("a relay's looks", () => {
  const stage = new OutboxStage();

  it('read by indexes: what waits for its day is not looked at, however much that is', async () => {
    await stage.pool.query(
      `with lanes as (
         insert into backstitch.outbox_lanes (stream, lane, due_at)
         select 'shop/all/0', 's:' || n, now() + interval '30 days' from generate_series(1, 20000) n
       )
       insert into backstitch.outbox_parked (stream, lane, seq, id, topic, added_at)
       select 'shop/all/0', 's:' || n, n, 'w' || n, 'a', now() from generate_series(1, 20000) n`,
    );
    await stage.pool.query('vacuum analyze backstitch.outbox_lanes, backstitch.outbox_parked');
    for (const [statement, ...values] of [
      [statements.tend],
      [statements.due(20), [], 4, false, 1_000_000],
      [statements.poll, 400, false, [], [], [], 1_000_000, 1_000_000],
      [statements.untold, 200],
    ] as const) {
      const { rows } = await stage.pool.query<{ 'QUERY PLAN': string }>(`explain ${statement}`, [
        'shop/all/0',
        ...values,
      ]);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      assert.doesNotMatch(plan, /Seq Scan on outbox_(lanes|parked)/, statement);
    }
  });
});
