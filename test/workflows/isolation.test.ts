import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import pg from 'pg';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import { transferGid, type BankName, type Transfer } from '../../src/contracts/transfer.js';
import {
  transfer2pcTransaction,
  transferSagaLockedTransaction,
  transferSagaTransaction,
  transferTccTransaction,
} from '../../src/contracts/transactions.js';
import { decide, TransactionCompensated, TransactionPending } from '../../src/kit/client/index.js';
import {
  agentId,
  initialAttributes,
  type ThreePhaseOptions,
  type TransactionReport,
} from '../../src/kit/workflow/index.js';
import { ShopWorld } from './support.js';

const PATIENT = { retries: 200, deadline: '2 minutes' } as const;

describe('what a transfer has done and takes back (a dirty read)', function () {
  this.timeout(120_000);
  const world = new ShopWorld();
  let names: Record<'alice' | 'bob' | 'carol' | 'dave', string>;

  beforeEach('alice has 100.00, the others have nothing', async () => {
    const own = randomUUID().slice(0, 8);
    names = { alice: `alice-${own}`, bob: `bob-${own}`, carol: `carol-${own}`, dave: `dave-${own}` };
    await world.sql('bank_a', OPEN_ACCOUNTS, [[names.alice], 10_000]);
    await world.sql('bank_a', OPEN_ACCOUNTS, [[names.dave], 0]);
    await world.sql('bank_b', OPEN_ACCOUNTS, [[names.bob], 0]);
    await world.sql('bank_c', OPEN_ACCOUNTS, [[names.carol], 0]);
  });

  /** From alice to bob and carol; it waits for carol's account, which is found frozen in the end. */
  const gift = (): Transfer => ({
    id: `gift-${randomUUID().slice(0, 8)}`,
    from: [{ bank: 'bank_a', account: names.alice, amount: 8_000 }],
    to: [
      { bank: 'bank_b', account: names.bob, amount: 3_000 },
      { bank: 'bank_c', account: names.carol, amount: 5_000 },
    ],
  });
  /** What bob has only if the gift stands. */
  const spending = (): Transfer => ({
    id: `spending-${randomUUID().slice(0, 8)}`,
    from: [{ bank: 'bank_b', account: names.bob, amount: 3_000 }],
    to: [{ bank: 'bank_a', account: names.dave, amount: 3_000 }],
  });

  /** Keeps every transfer from carol's account until it is frozen. */
  async function holdCarol(): Promise<{ freeze: () => Promise<void> }> {
    const database = new pg.Client({ connectionString: world.urlOf('bank_c') });
    await database.connect();
    await database.query('begin');
    await database.query(`update accounts set status = 'frozen' where account = $1`, [names.carol]);
    return {
      async freeze() {
        await database.query('commit');
        await database.end();
      },
    };
  }

  async function balances(): Promise<Record<string, number>> {
    const found: Record<string, number> = {};
    const at: Record<keyof typeof names, BankName> = {
      alice: 'bank_a',
      bob: 'bank_b',
      carol: 'bank_c',
      dave: 'bank_a',
    };
    for (const [who, bank] of Object.entries(at) as [keyof typeof names, BankName][]) {
      const [row] = await world.sql<{ balance: string; held: string; locked: boolean }>(
        bank,
        'select balance, held, locked_by is not null as locked from accounts where account = $1',
        [names[who]],
      );
      assert.ok(row?.held === '0' && !row.locked, `nothing is left on ${who}'s account`);
      found[who] = Number(row.balance);
    }
    return found;
  }
  const untouched = { alice: 10_000, bob: 0, carol: 0, dave: 0 };

  const isUndone = (type: string) => (error: unknown) => {
    assert.ok(error instanceof TransactionCompensated, String(error));
    assert.equal(error.report.cause.type, type);
    return true;
  };

  it('(saga) is seen, and can be spent by another: then it cannot be undone by itself, and a person has to look', async () => {
    const carol = await holdCarol();
    const [given, spent] = [gift(), spending()];
    const transfer = world.transactions.of(transferSagaTransaction);
    const started = await transfer.start(given, { ...PATIENT, compensationWindow: '1 second' });
    await world.retrying(started.gid, 'bank_c.credit.action');
    assert.deepEqual(await transfer(spent), { id: spent.id, amount: 3_000 });
    await carol.freeze();
    await world.stuck(started.gid);
    await assert.rejects(started.result({ wait: 1 }), TransactionPending);
    // Somebody pays for bob, and has it undone.
    await world.transactions.of(transferSagaTransaction)({
      id: `help-${spent.id}`,
      from: spent.to,
      to: spent.from,
    });
    await decide(world.client, started.gid, { action: 'retry', branch: 'to-1', actor: 'ann', reason: 'paid' });
    await assert.rejects(started.result(), isUndone('AccountFrozen'));
    assert.deepEqual(await balances(), untouched);
  });

  it('(saga with a semantic lock) is kept from others until it is undone: they wait, and find what is true', async () => {
    const carol = await holdCarol();
    const [given, spent] = [gift(), spending()];
    const transfer = world.transactions.of(transferSagaLockedTransaction);
    // Whose lock on carol's account waits: bob's is taken by then.
    const started = await transfer.start(given, PATIENT);
    await world.retrying(started.gid, 'bank_c.lock.action');
    const other = await transfer.start(spent, PATIENT);
    await world.retrying(other.gid, 'bank_b.lock.action');
    await carol.freeze();
    await assert.rejects(started.result(), isUndone('AccountFrozen'));
    await assert.rejects(other.result(), isUndone('InsufficientFunds'));
    assert.deepEqual(await balances(), untouched);
  });

  it('(saga with a semantic lock) is kept from every other scheme too', async () => {
    const carol = await holdCarol();
    const given = gift();
    const started = await world.transactions.of(transferSagaLockedTransaction).start(given, PATIENT);
    await world.retrying(started.gid, 'bank_c.lock.action');
    const others = [
      [transferSagaTransaction, 'bank_b.debit.action'],
      [transferTccTransaction, 'bank_b.withdraw.try'],
      [transfer2pcTransaction, 'bank_b.move.prepare'],
    ] as const;
    const waiting = [];
    for (const [contract, activity] of others) {
      const other = await world.transactions.of(contract).start(spending(), PATIENT);
      await world.retrying(other.gid, activity);
      waiting.push(other);
    }
    await carol.freeze();
    await assert.rejects(started.result(), isUndone('AccountFrozen'));
    for (const other of waiting) await assert.rejects(other.result(), isUndone('InsufficientFunds'));
    assert.deepEqual(await balances(), untouched);
  });

  it('(TCC) was never there: what is to come in can be spent by nobody before it is confirmed', async () => {
    const carol = await holdCarol();
    const transfer = world.transactions.of(transferTccTransaction);
    const started = await transfer.start(gift(), PATIENT);
    await world.retrying(started.gid, 'bank_c.deposit.try');
    await assert.rejects(transfer(spending()), isUndone('InsufficientFunds'));
    await carol.freeze();
    await assert.rejects(started.result(), isUndone('AccountFrozen'));
    assert.deepEqual(await balances(), untouched);
  });

  it('(two-phase commit) is seen by nobody: who needs the account waits until it is decided', async () => {
    const carol = await holdCarol();
    const transfer = world.transactions.of(transfer2pcTransaction);
    const started = await transfer.start(gift(), PATIENT);
    await world.retrying(started.gid, 'bank_c.move.prepare');
    const other = await transfer.start(spending(), PATIENT);
    await world.retrying(other.gid, 'bank_b.move.prepare');
    await carol.freeze();
    await assert.rejects(started.result(), isUndone('AccountFrozen'));
    await assert.rejects(other.result(), isUndone('InsufficientFunds'));
    assert.deepEqual(await balances(), untouched);
  });

  it('(three-phase commit) is seen by nobody: who looks sees what was before, who needs the account waits until it is decided', async () => {
    const carol = await holdCarol();
    const times: ThreePhaseOptions = { answer: '1 minute', timeout: '2 minutes' };
    const start = (transfer: Transfer) =>
      world.client.workflow.start('transfer3pc', {
        ...{ workflowId: transferGid(transfer.id), taskQueue: world.taskQueue, args: [transfer, times] },
        typedSearchAttributes: initialAttributes('3pc'),
      });
    const causeOf = async (transfer: WorkflowHandle) => {
      const failure: unknown = await transfer.result().catch((error: unknown) => error);
      assert.ok(failure instanceof WorkflowFailedError && failure.cause instanceof ApplicationFailure, String(failure));
      return (failure.cause.details?.[0] as TransactionReport).cause.type;
    };
    const given = await start(gift());
    await world.retrying(agentId(given.workflowId, 'bank_c'), 'bank_c.move.prepare');
    // Bob has nothing yet; of what alice has, all is there still, until her account is to be locked.
    assert.equal(await causeOf(await start(spending())), 'InsufficientFunds');
    const other = await start({
      id: `other-${randomUUID().slice(0, 8)}`,
      from: [{ bank: 'bank_a', account: names.alice, amount: 5_000 }],
      to: [{ bank: 'bank_a', account: names.dave, amount: 5_000 }],
    });
    await world.retrying(agentId(other.workflowId, 'bank_a'), 'bank_a.move.prepare');
    await carol.freeze();
    assert.equal(await causeOf(given), 'AccountFrozen');
    await other.result();
    assert.deepEqual(await balances(), { ...untouched, alice: 5_000, dave: 5_000 });
  });
});
