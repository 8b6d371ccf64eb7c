import assert from 'node:assert/strict';
import { planServers, refuseContradictions, withOperations } from '../../src/dev/plan.js';

const wanted = { databases: ['orders', 'payments'], searchAttributes: {} };
const plan = (env: Record<string, string> = {}) => planServers(wanted, env);

describe('which servers are started', () => {
  it('those that the environment does not name', () => {
    const starts = (env: Record<string, string>) => [plan(env).startTemporal, plan(env).startPostgres];
    assert.deepEqual(starts({}), [true, true]);
    assert.deepEqual(starts({ TEMPORAL_ADDRESS: 'there:7233' }), [false, true]);
    assert.deepEqual(starts({ DATABASE_URL: 'postgres://there' }), [true, false]);
    assert.deepEqual(starts({ DATABASE_URL_ORDERS: 'postgres://there/o' }), [true, true]);
    assert.deepEqual(
      starts({ DATABASE_URL_ORDERS: 'postgres://there/o', DATABASE_URL_PAYMENTS: 'postgres://there/p' }),
      [true, false],
    );
  });

  it('for the operations database none by itself: it is where the others are, or where its own variable says', () => {
    const has = (env: Record<string, string>) => withOperations(['orders'], env).includes('operations');
    const own = { DATABASE_URL_ORDERS: 'postgres://there/o' };
    assert.equal(has({}), true);
    assert.equal(has(own), false);
    assert.equal(has({ ...own, DATABASE_URL: 'postgres://there' }), true);
    assert.equal(has({ ...own, DATABASE_URL_OPERATIONS: 'postgres://there/ops' }), true);
  });

  it('a variable that is no URL is named, in one line', () => {
    for (const name of ['DATABASE_URL', 'DATABASE_URL_PAYMENTS']) {
      assert.throws(
        () => plan({ [name]: 'there:5432' }),
        new RegExp(`^ConfigError: ${name} is "there:5432": give a URL`),
      );
    }
  });

  it('databases of its own have a task queue of their own on a Temporal server of others', () => {
    const there = { TEMPORAL_ADDRESS: 'there:7233' };
    assert.equal(plan(there).taskQueue('1a2b'), 'backstitch-1a2b');
    assert.equal(plan({ ...there, BACKSTITCH_TASK_QUEUE: 'chosen' }).taskQueue('1a2b'), 'chosen');
    assert.equal(plan(there).taskQueue(undefined), 'backstitch');
    assert.equal(plan().taskQueue('1a2b'), 'backstitch');
  });

  it('options for a server that is not started are refused, and --fresh where it would empty one half only', () => {
    const [temporal, database] = [{ TEMPORAL_ADDRESS: 'there:7233' }, { DATABASE_URL: 'postgres://there' }];
    const refused = (
      options: Parameters<typeof refuseContradictions>[1],
      env: Record<string, string>,
      rule: RegExp,
    ) => {
      assert.throws(() => {
        refuseContradictions(plan(env), options);
      }, rule);
      refuseContradictions(plan(), options);
    };
    refused(
      { fresh: true },
      database,
      /^Error: --fresh: only for servers .* but DATABASE_URL names another one: leave/,
    );
    refused({ fresh: true }, temporal, /^Error: --fresh: .* but TEMPORAL_ADDRESS names the one at there:7233: leave/);
    refused({ ports: { postgres: 5 } }, database, /^Error: --postgres-port: .* but DATABASE_URL names/);
    refused({ ports: { temporal: 5, ui: 6 } }, temporal, /^Error: --temporal-port and --ui-port: .* TEMPORAL_ADDRESS/);
    refuseContradictions(plan(temporal), { ports: { postgres: 5 } });
    refuseContradictions(plan(database), { ports: { temporal: 5 } });
  });
});
