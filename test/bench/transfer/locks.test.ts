import assert from 'node:assert/strict';
import pg from 'pg';
import { LockWatch, longestLocked, watchAccounts, type BankUrls } from '../../../bench/transfer/locks.js';
import { bankNames } from '../../../src/contracts/transfer.js';
import { benchDatabases, type BenchTestDatabases } from '../support/databases.js';

describe("the banks' locks", () => {
  let made: BenchTestDatabases<(typeof bankNames)[number]>;
  let urls: BankUrls;
  const clients: pg.Client[] = [];
  /** A connection in a transaction. */
  const begun = async (bank: (typeof bankNames)[number]) => {
    const client = new pg.Client({ connectionString: urls[bank] });
    await client.connect();
    clients.push(client);
    await client.query('begin');
    return client;
  };
  const TAKE = `update accounts set balance = balance - 1 where account = 'one'`;
  before(async () => {
    made = await benchDatabases(bankNames);
    urls = { bank_a: made.url('bank_a'), bank_b: made.url('bank_b'), bank_c: made.url('bank_c') };
    for (const bank of bankNames) {
      await made.databases[bank].run('create table accounts (account text primary key, balance bigint)');
      await made.databases[bank].run('create table others (account text)');
      await made.databases[bank].run(`insert into accounts values ('one', 10), ('two', 10)`);
    }
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.end()));
    clients.length = 0;
  });
  after(() => made.drop());

  /** How many transactions have locked accounts. */
  const locking = async () => (await LockWatch.start(urls)).stop();

  it('are those of transactions that have locked accounts: open or prepared, not those that read, wait or write elsewhere', async () => {
    assert.equal(await locking(), 0);
    const [writes, reads, elsewhere, prepared] = [
      await begun('bank_a'),
      await begun('bank_a'),
      await begun('bank_b'),
      await begun('bank_c'),
    ];
    await writes.query(TAKE);
    await reads.query('select * from accounts');
    await elsewhere.query(`insert into others values ('one')`);
    assert.equal(await locking(), 1);
    await prepared.query(TAKE);
    await prepared.query(`prepare transaction 'locks-test'`);
    assert.equal(await locking(), 2);

    const waits = await begun('bank_a');
    await waits.query(`insert into others values ('one')`); // It has an id before it waits.
    const waiting = waits.query(TAKE);
    const blocked = 'select 1 from pg_stat_activity where wait_event_type = $1 and datname = current_database()';
    while ((await made.databases.bank_a.run(blocked, ['Lock'])).length === 0);
    assert.equal(await locking(), 2);
    await writes.query('rollback');
    await waiting;
    assert.equal(await locking(), 2);
    await made.databases.bank_c.run(`rollback prepared 'locks-test'`);
    assert.equal(await locking(), 1);
  });

  it('keep accounts from others, by name', async () => {
    const over = new AbortController();
    await (await begun('bank_b')).query(TAKE);
    const watching = watchAccounts(urls, 0, over.signal);
    await made.databases.bank_a.run('select pg_sleep(0.1)');
    over.abort();
    const moments = await watching;
    assert.ok(moments.length > 0);
    assert.deepEqual([...(moments[0]?.accounts ?? [])], ['bank_b one']);
  });

  it('are counted for as long as an account was locked without a moment between', () => {
    const found = [['a', 'b'], ['a'], ['a', 'b'], ['b'], ['b', 'c']];
    const moments = found.map((names, index) => ({ at: 100 + index * 10, accounts: new Set(names) }));
    assert.deepEqual(Object.fromEntries(longestLocked(moments)), { a: 20, b: 20, c: 0 });
    assert.equal(longestLocked([]).size, 0);
  });
});
