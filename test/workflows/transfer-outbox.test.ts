import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import { transferOutboxTransaction, transferTransactions } from '../../src/contracts/transactions.js';
import type { Leg, Transfer } from '../../src/contracts/transfer.js';
import { decideMessages, showMessages, TransactionCompensated } from '../../src/kit/client/index.js';
import { ShopWorld } from './support.js';

describe('transfers by the outbox of a bank', function () {
  this.timeout(120_000);
  const world = new ShopWorld('bank_a.send.action:die-after-commit=1@transfer-dies-*');
  before(async () => {
    await world.sql('bank_a', OPEN_ACCOUNTS, [['alice'], 100_000]);
    await world.sql('bank_b', OPEN_ACCOUNTS, [['bob', 'closed'], 0]);
    await world.sql('bank_c', OPEN_ACCOUNTS, [['carol'], 0]);
    await world.deliver();
  });

  const give = (name: string, amount: number, ...to: Leg[]): Transfer => ({
    ...{ id: `${name}-${randomUUID().slice(0, 8)}`, to },
    from: [{ bank: 'bank_a', account: 'alice', amount }],
  });
  const send = (transfer: Transfer) => world.transactions.of(transferOutboxTransaction)(transfer);
  const balance = async (bank: 'bank_a' | 'bank_b' | 'bank_c', account: string) => {
    const [row] = await world.sql<{ balance: string }>(bank, 'select balance from accounts where account = $1', [
      account,
    ]);
    return Number(row?.balance);
  };
  const until = async (bank: 'bank_b' | 'bank_c', account: string, amount: number) => {
    while ((await balance(bank, account)) !== amount);
  };

  it('debit one account and credit others at other banks, each once', async () => {
    const had = await balance('bank_a', 'alice');
    const transfer = give(
      'several',
      3_000,
      { bank: 'bank_b', account: 'bob', amount: 1_000 },
      { bank: 'bank_c', account: 'carol', amount: 2_000 },
    );
    assert.deepEqual(await send(transfer), { id: transfer.id, amount: 3_000 });
    await until('bank_b', 'bob', 1_000);
    await until('bank_c', 'carol', 2_000);
    assert.equal(await balance('bank_a', 'alice'), had - 3_000);
    assert.equal((await world.books()).balanced, true);
  });

  it('debit and tell once, though the worker dies after the commit', async () => {
    const [had, carol] = [await balance('bank_a', 'alice'), await balance('bank_c', 'carol')];
    await send(give('dies', 500, { bank: 'bank_c', account: 'carol', amount: 500 }));
    await until('bank_c', 'carol', carol + 500);
    assert.equal(await balance('bank_a', 'alice'), had - 500);
    assert.equal((await world.books()).balanced, true);
  });

  it('are refused where the account has too little: nobody is told', async () => {
    const had = await balance('bank_a', 'alice');
    const transfer = give('poor', 1_000_000, { bank: 'bank_b', account: 'bob', amount: 1_000_000 });
    await assert.rejects(
      send(transfer),
      (error) => error instanceof TransactionCompensated && error.message.includes('InsufficientFunds'),
    );
    assert.equal(await balance('bank_a', 'alice'), had);
  });

  it('wait as a dead letter where an account is closed, and are credited when a person has opened it and sends it again', async () => {
    await world.sql('bank_b', "update accounts set status = 'closed' where account = 'closed'");
    const transfer = give('closed', 700, { bank: 'bank_b', account: 'closed', amount: 700 });
    await send(transfer);
    const where = { taskQueue: world.taskQueue };
    let shown = await showMessages(world.client, where);
    while (shown.total === 0) shown = await showMessages(world.client, where);
    const [letter] = shown.letters;
    assert.equal(letter?.id, `transfer-${transfer.id}/to-1`);
    assert.match(letter.error, /AccountClosed.*account closed of bank_b is closed/);
    assert.equal((await world.books()).balanced, false);
    await world.sql('bank_b', "update accounts set status = 'open' where account = 'closed'");
    const order = { id: letter.id, action: 'resend', actor: 'ann', reason: 'opened again' } as const;
    await decideMessages(world.client, where, order);
    await until('bank_b', 'closed', 700);
    assert.equal((await world.books()).balanced, true);
  });

  it('are one transfer under one id, whatever the scheme; several accounts that give are refused before anything', async () => {
    const transfer = give('twice', 100, { bank: 'bank_c', account: 'carol', amount: 100 });
    await send(transfer);
    await send(transfer);
    await assert.rejects(
      world.transactions.of(transferTransactions.tcc)(transfer),
      /GidConflict|is another transaction|has the id/,
    );
    const [one] = transfer.from;
    assert.ok(one);
    const two = {
      ...transfer,
      from: [one, { ...one, account: 'other' }],
      to: [{ bank: 'bank_c', account: 'carol', amount: 200 }],
    };
    await assert.rejects(send(two as Transfer), /from: 2 accounts: must be 1/);
  });
});
