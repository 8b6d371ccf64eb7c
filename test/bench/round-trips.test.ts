import assert from 'node:assert/strict';
import { benchDatabases, type BenchTestDatabases } from './support/databases.js';

describe('the round trips of a database', () => {
  let made: BenchTestDatabases<'orders'>;
  before(async () => {
    made = await benchDatabases(['orders']);
    // A connection's first transaction prepares BEGIN.
    await made.databases.orders.transaction((sql) => sql('select 1', []));
  });
  after(() => made.drop());

  const sent = async (work: () => Promise<unknown>) => {
    const before = made.roundTrips.count;
    await work();
    return made.roundTrips.count - before;
  };

  it('are one for a statement alone', async () => {
    assert.equal(await sent(() => made.databases.orders.run('select 1', [])), 1);
  });

  it('are one for each statement of a transaction, of which the first takes BEGIN along, and one for its COMMIT', async () => {
    const two = () =>
      made.databases.orders.transaction(async (sql) => {
        await sql('select 1', []);
        await sql('select 2', []);
      });
    assert.equal(await sent(two), 3);
  });

  it('are one less where the last statement takes COMMIT along', async () => {
    const two = () =>
      made.databases.orders.transaction(async (sql) => {
        await sql('select 1', []);
        await sql.commitWith?.('select 2', []);
      });
    assert.equal(await sent(two), 2);
  });
});
