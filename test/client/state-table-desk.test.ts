import assert from 'node:assert/strict';
import { Client } from '@temporalio/client';
import pg from 'pg';
import type { Books } from '../../src/contracts/shop.js';
import type { ScanReport } from '../../src/kit/client/index.js';
import { callersWorld } from './state-table-callers.js';
import { deskIdOf } from '../../src/kit/workflow/state-table/desk.js';
import { connectTo } from '../support/connection.js';

describe('the command line of the state table: the desk', function () {
  this.timeout(240_000);
  const { at, newId, transfer, balances, booksNow, stateOf, becomes, undecided, decide, ended } = callersWorld();

  it('after ten rounds it waits at the desk, exit code 4; retried there it is made', async () => {
    const [id, before] = [newId(), await balances()];
    const gid = `transfer-${id}`;
    at.world.faults.set({ function: 'bank_b.credit.action', kind: 'fail', attempts: 1_000, gid });
    await transfer(id, { BACKSTITCH_FAULTS: 'bank_b.credit.action:fail=1000' }, '--wait', '1s');
    await at.callers.query('update backstitch.state_table set rounds = 8 where gid = $1', [gid]);
    await becomes(gid, 'error');
    const { scheme, branches, transaction } = await undecided(gid);
    assert.deepEqual([scheme, branches, transaction], ['state', ['to-1'], 'stateTableDesk']);
    const asked = await transfer(id);
    assert.equal(asked.code, 4);
    assert.match(asked.stderr[0] ?? '', /it waits for a person: backstitch desk show transfer-.*InjectedFault/);
    const shown = await at.world.run('desk', 'show', gid);
    assert.equal(shown.code, 4);
    assert.match(shown.stdout, /action of 'to-1' waits since/);
    assert.match(shown.stdout, /input: \{"account":"bob","amount":3000\}/);
    assert.match(shown.stdout, /decide: retry, resolve, skip/);
    await booksNow();
    at.world.faults.clear();
    assert.equal((await decide('retry', gid)).code, 0);
    const { report, decisions } = await ended(gid, 'committed');
    assert.deepEqual([report, decisions.map(({ actor }) => actor)], [undefined, ['ann']]);
    assert.equal((await transfer(id)).code, 0);
    const { alice, bob } = before;
    assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob + 3_000 });
  });

  it('what is refused after the first operation waits at the desk: begun anew with another input, it is made', async () => {
    const [id, before] = [newId(), await balances()];
    const gid = `transfer-${id}`;
    const stuck = await transfer(id, { BACKSTITCH_FAULTS: 'bank_b.credit.action:refuse' });
    assert.deepEqual([stuck.code, await stateOf(gid)], [4, 'error']);
    await undecided(gid);
    const wrong = await decide('cancel', gid);
    assert.equal(wrong.code, 2);
    const cancelled = await at.world.run('tx', 'cancel', gid, '--actor', 'ann', '--reason', 'a test');
    assert.deepEqual([cancelled.code, cancelled.stderr.length], [1, 1]);
    assert.match(cancelled.stderr[0] ?? '', /nothing of a state table is undone or paused/);
    const input = '{"account":"bob","amount":3000}';
    assert.equal((await decide('retry', gid, '--input', input)).code, 0);
    await ended(gid, 'committed');
    const { alice, bob } = before;
    assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob + 3_000 });
    assert.equal((await transfer(id)).code, 0);
  });

  it('its workflow at the desk may be terminated: the scan starts it again, and it waits there as before', async () => {
    const id = newId();
    const gid = `transfer-${id}`;
    await transfer(id, { BACKSTITCH_FAULTS: 'bank_b.credit.action:refuse' });
    await undecided(gid);
    const connection = await connectTo(at.world.address);
    try {
      const deskId = deskIdOf('callers', gid);
      const handle = new Client({ connection }).workflow.getHandle(deskId);
      await handle.terminate('a test');
      for (;;) {
        const { settled } = (await at.world.run('scan', '--json')).json<ScanReport>();
        if (settled.includes(deskId)) break;
      }
      assert.equal((await undecided(gid)).scheme, 'state');
      assert.equal((await decide('retry', gid)).code, 0);
      assert.deepEqual(await handle.result(), [{ debited: 3_000 }, { credited: 3_000 }]);
    } finally {
      await connection.close();
    }
  });

  it('a person may say that it was done outside', async () => {
    const id = newId();
    const gid = `transfer-${id}`;
    await transfer(id, { BACKSTITCH_FAULTS: 'bank_b.credit.action:refuse' });
    await undecided(gid);
    assert.equal((await decide('resolve', gid, '--result', '{"credited":3000}')).code, 0);
    await ended(gid, 'committed');
    assert.equal((await transfer(id)).code, 0);
    // By hand, as the person says: the books see nothing of it until it is entered.
    const books = (await at.world.run('books', '--json')).json<Books>();
    assert.deepEqual(
      books.differences.map(({ check, found }) => [check, found]),
      [['what left a bank came to another', '3000']],
    );
    const bank = new pg.Client({ connectionString: at.world.databaseEnv.DATABASE_URL_BANK_B });
    await bank.connect();
    await bank
      .query(
        `insert into entries (gid, branch, kind, account, amount)
         values ($1, 'by hand', 'credit', 'bob', 3000), ($1, 'by hand', 'credit', 'clearing', -3000)`,
        [gid],
      )
      .finally(() => bank.end());
  });

  it('a person may leave it as it is: it has failed, and the books say so', async () => {
    const id = newId();
    const gid = `transfer-${id}`;
    await transfer(id, { BACKSTITCH_FAULTS: 'bank_b.credit.action:refuse' });
    await undecided(gid);
    assert.equal((await decide('skip', gid)).code, 0);
    const { report } = await ended(gid, 'failed');
    assert.deepEqual(
      report?.notUndone.map(({ step, type }) => [step, type]),
      [
        ['from-1', 'Kept'],
        ['to-1', 'Skipped'],
      ],
    );
    const asked = await transfer(id);
    assert.equal(asked.code, 4);
    assert.match(asked.stderr[0] ?? '', /^transfer-\S+ failed: to-1: Skipped: left as it is by ann: a test/);
    const books = (await at.world.run('books', '--json')).json<Books>();
    assert.deepEqual(
      books.differences.map(({ check }) => check),
      ['what left a bank came to another'],
    );
    assert.equal((await transfer(newId())).code, 0);
    const bank = new pg.Client({ connectionString: at.world.databaseEnv.DATABASE_URL_BANK_A });
    await bank.connect();
    await bank
      .query(
        `insert into entries (gid, branch, kind, account, amount)
         values ($1, 'by hand', 'credit', 'alice', 3000), ($1, 'by hand', 'credit', 'clearing', -3000)`,
        [gid],
      )
      .finally(() => bank.end());
  });
});
