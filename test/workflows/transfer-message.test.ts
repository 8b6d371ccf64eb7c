import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createShop, type ShopDatabases } from '../../src/activities/index.js';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import { transferMessageTransaction } from '../../src/contracts/transactions.js';
import { bankNames, type BankName, type Leg, type Transfer } from '../../src/contracts/transfer.js';
import {
  InvalidInput,
  messageSender,
  TransactionCompensated,
  TransactionFailed,
  TransactionPending,
} from '../../src/kit/client/index.js';
import { transactionalMessage, type LocalWork } from '../../src/kit/direct/index.js';
import { functionsOf } from '../../src/kit/direct/participants.js';
import { decide } from '../../src/kit/client/index.js';
import { ShopWorld } from './support.js';

describe('a transfer by message', function () {
  this.timeout(120_000);
  const world = new ShopWorld(
    'bank_a.debit.action:die-after-commit@transfer-lost-*',
    'bank_b.credit.action:die-after-commit=2@transfer-lost-*',
    'bank_c.credit.action:fail-worked@transfer-lost-*',
  );
  let debit: LocalWork<unknown>;
  before(async () => {
    const opened: Record<BankName, string[]> = { bank_a: ['alice'], bank_b: ['bob'], bank_c: ['carol', 'closed'] };
    for (const bank of bankNames) await world.sql(bank, OPEN_ACCOUNTS, [opened[bank], 100_000]);
    await world.sql('bank_c', `update accounts set status = 'closed' where account = 'closed'`);
    const names = Object.keys(world.databaseUrls) as (keyof ShopDatabases)[];
    const databases = Object.fromEntries(names.map((name) => [name, world.database(name)])) as unknown as ShopDatabases;
    const functions = functionsOf(createShop({ databases }).participants);
    debit = (operation, input) => functions.get(operation.function)?.(operation, input) ?? assert.fail();
  });

  const balances = async (): Promise<Record<string, number>> => {
    const found: Record<string, number> = {};
    for (const bank of bankNames) {
      type Row = { account: string; balance: string };
      const rows = await world.sql<Row>(bank, 'select account, balance from accounts');
      for (const { account, balance } of rows) found[account] = Number(balance);
    }
    return found;
  };
  const given = (name: string, amount = 3_000, account = 'carol'): Transfer => ({
    id: `${name}-${randomUUID().slice(0, 8)}`,
    from: [{ bank: 'bank_a', account: 'alice', amount }],
    to: [
      { bank: 'bank_b', account: 'bob', amount: 1_000 },
      { bank: 'bank_c', account, amount: amount - 1_000 },
    ],
  });
  const send = (transfer: Transfer) => {
    const sender = messageSender(world.client, world, transferMessageTransaction);
    return transactionalMessage(sender, transfer, debit);
  };
  /** Proves that nothing was lost, and tells how much is on its way. */
  const onItsWay = async (): Promise<number> => {
    const { differences, figures } = await world.books();
    const { bankPaidInCents, bankBalancesCents, bankClearingCents } = figures;
    const cents = Number(bankClearingCents);
    assert.equal(Number(bankBalancesCents) + cents, Number(bankPaidInCents));
    // While it is on its way it is told, as for every other scheme; and nothing else is amiss.
    const told = differences.map(({ check, found }) => [check, found]);
    assert.deepEqual(told, cents === 0 ? [] : [['what left a bank came to another', String(cents)]]);
    return cents;
  };

  for (const name of ['plain', 'lost']) {
    it(`moves the money from one account to several banks' (${name})`, async () => {
      const { alice = 0, bob = 0, carol = 0, ...rest } = await balances();
      const { result } = await send(given(name));
      assert.equal((await result()).amount, 3_000);
      assert.deepEqual(await balances(), { ...rest, alice: alice - 3_000, bob: bob + 1_000, carol: carol + 2_000 });
      assert.equal(await onItsWay(), 0);
    });
  }

  it('that the account cannot pay is withdrawn: nothing has changed', async () => {
    const before = await balances();
    await assert.rejects(send(given('poor', 10_000_000)), (error) => {
      assert.ok(error instanceof TransactionCompensated, String(error));
      assert.deepEqual([error.report.cause.step, error.report.cause.type], ['from-1', 'InsufficientFunds']);
      return true;
    });
    assert.deepEqual(await balances(), before);
    assert.equal(await onItsWay(), 0);
  });

  it('to an account that is closed waits for a person, and its money is on its way; the others have theirs', async () => {
    const input = given('closed', 3_000, 'closed');
    const { alice = 0, bob = 0, ...rest } = await balances();
    const { gid, result } = await send(input);
    await assert.rejects(result(), (error) => error instanceof TransactionPending && error.state === 'stuck');
    assert.deepEqual(await balances(), { ...rest, alice: alice - 3_000, bob: bob + 1_000 });
    assert.equal(await onItsWay(), 2_000);
    const order = { branch: 'to-2', actor: 'ann', reason: 'carol takes it' } as const;
    await decide(world.client, gid, { ...order, action: 'retry', input: { account: 'carol', amount: 2_000 } });
    assert.equal((await result()).amount, 3_000);
    const { carol = 0 } = rest;
    assert.deepEqual(await balances(), { ...rest, alice: alice - 3_000, bob: bob + 1_000, carol: carol + 2_000 });
    assert.equal(await onItsWay(), 0);
  });

  it('that a person leaves has failed, and the books still tell what is on its way', async () => {
    const { gid, result } = await send(given('left', 3_000, 'closed'));
    await world.stuck(gid);
    await decide(world.client, gid, { branch: 'to-2', action: 'skip', actor: 'ann', reason: 'it is paid out in cash' });
    await assert.rejects(result(), TransactionFailed);
    assert.equal(await onItsWay(), 2_000);
  });

  it('of what is none starts nothing: two accounts that give, or none', async () => {
    const { from, to, ...rest } = given('wrong');
    const another: Leg = { bank: 'bank_b', account: 'bob', amount: 1 };
    for (const legs of [[...from, another], []]) {
      const input = { ...rest, from: legs, to: [...to.slice(1), { ...another, account: 'dave', amount: 1_001 }] };
      await assert.rejects(send(input), InvalidInput);
      const handle = world.client.workflow.getHandle(transferMessageTransaction.gid(input));
      await assert.rejects(handle.describe(), { name: 'WorkflowNotFoundError' });
    }
  });
});
