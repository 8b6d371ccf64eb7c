import assert from 'node:assert/strict';
import pg from 'pg';
import { accountState, setAccountStatus } from '../../src/activities/banks/accounts.js';
import { createShop, serviceNames, type ShopDatabases } from '../../src/activities/index.js';
import { bankMigrations } from '../../src/activities/banks/migrations.js';
import { guardMigrations, migrate, pgDatabase, type Database } from '../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../support/servers.js';

describe('a bank all of whose connections are kept by prepares that wait', function () {
  this.timeout(30_000);
  let test: TestDatabase;
  const pools: pg.Pool[] = [];
  const open = (): Database => {
    const pool = new pg.Pool({ connectionString: test.url, max: 1 });
    pools.push(pool);
    return pgDatabase(pool);
  };
  let busy: Database;
  let free: Database;
  let release: () => void = () => undefined;
  before(async () => {
    test = await testDatabase('bank_a');
    [busy, free] = [open(), open()];
    await migrate(free, 'guard', guardMigrations);
    await migrate(free, 'bank_a', bankMigrations);
    await free.run(`insert into accounts (account) values ('alice')`);
  });
  beforeEach(async () => {
    const open = new Promise<void>((resolve) => (release = resolve));
    let taken: () => void = () => undefined;
    const isTaken = new Promise<void>((resolve) => (taken = resolve));
    void busy.transaction(async (sql) => {
      await sql('select 1');
      taken();
      await open;
    });
    await isTaken;
  });
  afterEach(() => {
    release();
  });
  after(async () => {
    for (const pool of pools) await pool.end();
    await test.drop();
  });
  const alice = { bank: 'bank_a', account: 'alice' } as const;

  it('answers whoever looks, and sets what is asked, by its connections for second phases', async () => {
    const databases = Object.fromEntries(serviceNames.map((service) => [service, busy])) as unknown as ShopDatabases;
    const { plain } = createShop({ databases, phase2: { bank_a: free } });
    await plain['banks.setStatus']({ ...alice, status: 'frozen' });
    assert.equal((await plain['banks.account'](alice))?.status, 'frozen');
    assert.deepEqual(
      (await plain['banks.accounts']({ bank: 'bank_a' })).map(({ account }) => account),
      ['alice'],
    );
    await plain['banks.setStatus']({ ...alice, status: 'open' });
  });

  it('says that it is silent or busy where there are no others, and sets nothing once nobody waits for it', async () => {
    const only = { bank_a: busy, bank_b: busy, bank_c: busy };
    await assert.rejects(setAccountStatus(only, { ...alice, status: 'frozen' }), {
      name: 'BankSilent',
      message: /^the database of bank_a is silent or busy \(it has not answered within 3 s\): see that it is up/,
    });
    release();
    // Its turn for the connection comes after that of what was given up.
    await busy.run('select 1');
    assert.equal((await accountState(only, alice))?.status, 'open');
  });
});
