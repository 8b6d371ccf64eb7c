import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import { transferTccTransaction } from '../../src/contracts/transactions.js';
import type { Transfer } from '../../src/contracts/transfer.js';
import { scanNow, type ScanReport, type StartOptions } from '../../src/kit/client/index.js';
import { foundState } from '../../src/kit/client/list.js';
import { TRANSACTION_QUERY, type TransactionView } from '../../src/kit/workflow/index.js';
import { ShopWorld } from '../workflows/support.js';

describe('the scan of what is held for too long', function () {
  this.timeout(120_000);
  const world = new ShopWorld(
    'bank_b.deposit.try:hang@transfer-hangs-*',
    'bank_b.deposit.try:hang=1@transfer-ended-*',
    'bank_b.deposit.confirm:hang=1@transfer-confirms-*',
    // It is held, and nobody hears of it: it is cancelled.
    'bank_b.deposit.try:die-after-commit=4@transfer-stuck-*',
    'bank_b.deposit.cancel:fail=1000@transfer-stuck-*',
    'bank_a.withdraw.cancel:fail=1000@transfer-stuck-*',
  );
  before(async () => {
    await world.sql('bank_a', OPEN_ACCOUNTS, [['alice'], 100_000]);
    await world.sql('bank_b', OPEN_ACCOUNTS, [['bob'], 100_000]);
  });

  const scan = (): Promise<ScanReport> => scanNow(world.client, { taskQueue: world.taskQueue });
  const begin = async (name: string, options: StartOptions = {}) => {
    const input: Transfer = {
      id: `${name}-${randomUUID().slice(0, 8)}`,
      from: [{ bank: 'bank_a', account: 'alice', amount: 100 }],
      to: [{ bank: 'bank_b', account: 'bob', amount: 100 }],
    };
    const { gid } = await world.transactions.of(transferTccTransaction).start(input, options);
    return { gid, handle: world.client.workflow.getHandle(gid) };
  };
  /** Lets the time pass by which what is held for it should have ended. */
  const expire = (gid: string) =>
    world.sql(
      'bank_a',
      // By way of no trigger: a hold changes only by its confirm or cancel.
      `set session_replication_role = replica; update holds set expires_at = now() - interval '1 minute' where gid = '${gid}'`,
    );
  const heldOf = async (gid: string) =>
    (await world.sql<{ state: string }>('bank_a', 'select state from holds where gid = $1', [gid])).map(
      ({ state }) => state,
    );
  const untilHeld = async (gid: string) => {
    while ((await heldOf(gid)).length === 0);
  };
  const view = (gid: string) => world.client.workflow.getHandle(gid).query<TransactionView>(TRANSACTION_QUERY);
  const orphansOf = ({ orphaned }: ScanReport, gid: string) => orphaned.filter((hold) => hold.gid === gid);

  it('lets a transaction that is alive alone, though it takes long', async () => {
    const { gid, handle } = await begin('hangs', { deadline: '1 hour' });
    await untilHeld(gid);
    await expire(gid);
    const report = await scan();
    assert.deepEqual([orphansOf(report, gid), report.settled.includes(gid), report.unread], [[], false, []]);
    assert.deepEqual(await heldOf(gid), ['held']);
    await handle.cancel();
    await handle.result().catch(() => undefined);
    assert.deepEqual(await heldOf(gid), ['cancelled']);
  });

  it('settles one whose run was ended, however long ago: what it holds is confirmed if all was held, or cancelled', async () => {
    const { gid, handle } = await begin('ended', { deadline: '1 hour' });
    await untilHeld(gid);
    await expire(gid);
    await handle.terminate('a test');
    const report = await scan();
    assert.deepEqual([orphansOf(report, gid), report.settled.includes(gid)], [[], true]);
    await world.client.workflow
      .getHandle(gid)
      .result()
      .catch(() => undefined);
    assert.deepEqual(await heldOf(gid), ['cancelled']);

    const decided = await begin('confirms');
    for (;;) {
      const { branches } = await view(decided.gid);
      if (branches.some(({ second }) => second?.op === 'confirm')) break;
    }
    await decided.handle.terminate('a test');
    while (!(await scan()).settled.includes(decided.gid));
    await world.client.workflow.getHandle(decided.gid).result();
    assert.deepEqual(await heldOf(decided.gid), ['confirmed']);
  });

  it('goes on cancelling one that was stuck in its cancel when its run was ended, though all that it holds is there', async () => {
    const { gid, handle } = await begin('stuck', { compensationWindow: '1 second' });
    while ((await view(gid)).state !== 'stuck');
    await handle.terminate('a test');
    await expire(gid);
    assert.ok((await scan()).settled.includes(gid));
    while (['running', 'compensating'].includes((await view(gid)).state));
    assert.equal((await view(gid)).state, 'stuck');
    assert.deepEqual(await heldOf(gid), ['held']);
    await world.client.workflow.getHandle(gid).terminate('a test');
  });

  it('tells of what is held for a transaction that has ended, or for none, and does nothing about it', async () => {
    const { gid, handle } = await begin('plain');
    await handle.result();
    assert.equal(foundState(await handle.describe()), 'committed');
    const nobody = `transfer-nobody-${randomUUID()}`;
    for (const each of [gid, nobody]) {
      await world.sql(
        'bank_a',
        `insert into holds (gid, branch, account, kind, amount, expires_at)
         values ($1, 'left', 'alice', 'debit', 5, '2020-01-01')`,
        [each],
      );
    }
    const report = await scan();
    const since = Date.parse('2020-01-01T00:00:00Z');
    const hold = { participant: 'bank_a', branch: 'left', since };
    assert.deepEqual(orphansOf(report, gid), [
      { ...hold, gid, why: 'its transaction has ended, committed, and has not ended this' },
    ]);
    assert.deepEqual(orphansOf(report, nobody), [{ ...hold, gid: nobody, why: 'there is no transaction of its id' }]);
    assert.deepEqual(await heldOf(nobody), ['held']);
  });

  it('says which bank it could not ask, and asks the others', async () => {
    const nobody = `transfer-nobody-${randomUUID()}`;
    await world.sql(
      'bank_a',
      `insert into holds (gid, branch, account, kind, amount, expires_at) values ($1, 'left', 'alice', 'debit', 5, '2020-01-01')`,
      [nobody],
    );
    const bank = await world.down('bank_c');
    try {
      const report = await scan();
      assert.deepEqual(
        report.unread.map(({ participant }) => participant),
        ['bank_c', "the outbox 'bank_c'"],
      );
      assert.equal(orphansOf(report, nobody).length, 1);
    } finally {
      await bank.up();
    }
  });
});
