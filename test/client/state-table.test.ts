import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import type { Books } from '../../src/contracts/shop.js';
import { bankNames, type BankName, type ListedAccount } from '../../src/contracts/transfer.js';
import type { ListedTransaction, ScanReport, ShownTransaction, StuckTransaction } from '../../src/kit/client/index.js';
import { openClientWorld, startProgram, type ClientWorld } from './support.js';

describe('the command line of the state table', function () {
  this.timeout(240_000);
  let world: ClientWorld;
  let callers: pg.Pool;
  before(async () => {
    world = await openClientWorld();
    callers = new pg.Pool({ connectionString: world.databaseEnv.DATABASE_URL_CALLERS, max: 2 });
    assert.equal((await world.run('bank', 'open')).code, 0);
    const file = await world.ordersFile([{ customerId: 'c1' }]);
    assert.equal((await world.run('shop', 'open', '--file', file, '--stock', '100', '--points', '50')).code, 0);
  });
  afterEach(async () => {
    world.faults.clear();
    const books = await world.run('books', '--json');
    assert.deepEqual([books.code, books.json<Books>().differences], [0, []]);
  });
  after(async () => {
    await callers.end();
    await world.close();
  });

  const newId = () => randomUUID().slice(0, 8);
  /** Runs the program as a caller: it has the databases, and no Temporal server unless it is given one. */
  const call = (args: readonly string[], env: Record<string, string> = {}) => {
    const nowhere = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
    return startProgram([...args, '--scheme', 'state-table'], { ...nowhere, ...world.databaseEnv, ...env }).ended;
  };
  const transfer = (id: string, env: Record<string, string> = {}, ...more: string[]) =>
    call(['transfer', '--id', id, '--from', 'bank_a:alice:3000', '--to', 'bank_b:bob', ...more], env);
  const balances = async () => {
    const banks = (await world.run('bank', 'show', '--json')).json<Record<BankName, ListedAccount[]>>();
    const all = bankNames.flatMap((bank) => banks[bank].map(({ account, balance }) => [account, Number(balance)]));
    return Object.fromEntries(all) as Record<'alice' | 'bob' | 'carol', number>;
  };
  const booksNow = async () => {
    const books = await world.run('books', '--json');
    assert.deepEqual([books.code, books.json<Books>().differences], [0, []]);
    return books.json<Books>().figures;
  };
  const stateOf = async (gid: string) =>
    (await callers.query<{ state: string }>('select state from backstitch.state_table where gid = $1', [gid])).rows[0]
      ?.state;
  /** Lets the scan come now, and waits until a row is as it is asked. */
  const becomes = async (gid: string, ...states: string[]) => {
    for (;;) {
      const found = await stateOf(gid);
      if (found !== undefined && states.includes(found)) return;
      await callers.query(
        `update backstitch.state_table set due_at = now() where gid = $1 and due_at > now() and rounds < 10`,
        [gid],
      );
      await delay(100);
    }
  };
  const undecided = async (gid: string): Promise<StuckTransaction> => {
    for (;;) {
      const list = (await world.run('desk', 'list', '--json')).json<{ transactions: StuckTransaction[] }>();
      const found = list.transactions.find((each) => each.gid === gid);
      if (found) return found;
    }
  };
  const decide = (action: string, gid: string, ...more: string[]) =>
    world.run('desk', action, gid, '--actor', 'ann', '--reason', 'a test', ...more);
  const ended = async (gid: string, state: string): Promise<ShownTransaction> => {
    for (;;) {
      const shown = (await world.run('tx', 'show', gid, '--json')).json<ShownTransaction>();
      if (shown.state === state) return shown;
    }
  };

  it('makes a transfer, once, with no Temporal server at hand', async () => {
    const [id, before] = [newId(), await balances()];
    const made = await transfer(id);
    assert.deepEqual(
      [made.code, made.stderr, made.stdout],
      [0, [], `transfer ${id} was made: 30.00 from 1 account to 1 account\n`],
    );
    const again = await transfer(id, {}, '--json');
    assert.deepEqual(again.json(), { gid: `transfer-${id}`, state: 'committed', result: { id, amount: 3_000 } });
    const { alice, bob } = before;
    assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob + 3_000 });
    const other = await call(['transfer', '--id', id, '--from', 'bank_a:alice:1', '--to', 'bank_b:bob']);
    assert.deepEqual([other.code, other.stderr.length], [2, 1]);
    assert.match(other.stderr[0] ?? '', /was started before with other content: nothing was started/);
  });

  it('tx show, tx list and log tell of it', async () => {
    const id = newId();
    await transfer(id);
    const shown = await world.run('tx', 'show', `transfer-${id}`);
    assert.equal(shown.code, 0, shown.stderr.join('\n'));
    assert.match(shown.stdout, /^transfer-\S+ {2}committed {2}\(state, state-table\)\nsuccess: 2 of 2 done$/m);
    assert.match(shown.stdout, /│ 1 +│ from-1 +│ bank_a\.debit\.action +│ succeeded +│ 1 +│/);
    assert.match(shown.stdout, /│ 2 +│ to-1 +│ bank_b\.credit\.action +│ succeeded +│ 1 +│/);
    for (const args of [[], ['--scheme', 'state']]) {
      const list = await world.run('tx', 'list', '--limit', '1000', '--json', ...args);
      const { transactions } = list.json<{ transactions: ListedTransaction[] }>();
      const line = transactions.find(({ gid }) => gid === `transfer-${id}`);
      assert.deepEqual([line?.scheme, line?.state, line?.lane], ['state', 'committed', 'state-table']);
    }
    const sagas = await world.run('tx', 'list', '--limit', '1000', '--json', '--scheme', 'saga');
    assert.ok(
      sagas.json<{ transactions: ListedTransaction[] }>().transactions.every(({ scheme }) => scheme === 'saga'),
    );
    assert.match(
      (await world.run('log', `transfer-${id}`)).stdout,
      /│ to-1 +│ action +│ applied +│ 1 +│ \S+ +│ bank_b +│/,
    );
  });

  it('of what is refused: exit code 1, nothing happened, and it stays so', async () => {
    const [id, before] = [newId(), await balances()];
    for (let time = 0; time < 2; time++) {
      const refused = await call(['transfer', '--id', id, '--from', 'bank_a:alice:999999999', '--to', 'bank_b:bob']);
      assert.deepEqual([refused.code, refused.stdout, refused.stderr.length], [1, '', 1]);
      assert.match(
        refused.stderr[0] ?? '',
        /^transfer-\S+ was undone: from-1: InsufficientFunds: account alice .*; undone: nothing had to be$/,
      );
    }
    assert.deepEqual(await balances(), before);
    assert.equal((await ended(`transfer-${id}`, 'compensated')).report?.cause.type, 'InsufficientFunds');
  });

  it('pending: ask again later, exit code 3, while the answer is not known; a worker goes on with it', async () => {
    const [id, before] = [newId(), await balances()];
    const gid = `transfer-${id}`;
    const env = { BACKSTITCH_FAULTS: 'bank_b.credit.action:hang' };
    const pending = await transfer(id, env, '--wait', '3s');
    assert.deepEqual([pending.code, pending.stdout, pending.stderr.length], [3, '', 1]);
    assert.match(pending.stderr[0] ?? '', /^transfer-\S+: pending: ask again later: 1 of 2 done \(\w+: .*\)$/);
    const json = await transfer(id, env, '--wait', '1s', '--json');
    const { error } = json.json<{ error: { type: string; gid: string; state: string } }>();
    assert.deepEqual([json.code, error.type, error.gid, error.state], [3, 'TransactionPending', gid, 'running']);
    // What is on its way is accounted for.
    const { bankInFlightCents, bankClearingCents } = await booksNow();
    assert.deepEqual([bankInFlightCents, bankClearingCents], [3_000, 3_000]);
    const shown = await world.run('tx', 'show', gid);
    assert.equal(shown.code, 3);
    assert.match(shown.stdout, /a_done: 1 of 2 done/);
    await becomes(gid, 'success');
    assert.equal((await transfer(id)).code, 0);
    const { alice, bob } = before;
    assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob + 3_000 });
    assert.equal((await booksNow()).bankInFlightCents, 0);
  });

  for (const [fault, state] of [
    ['bank_a.debit.action:kill-after-commit', 'init'],
    ['bank_b.credit.action:kill-after-commit', 'a_done'],
  ] as const) {
    it(`killed by ${fault} it leaves its transfer to a worker`, async () => {
      const [id, before] = [newId(), await balances()];
      assert.equal((await transfer(id, { BACKSTITCH_FAULTS: fault })).code, null);
      assert.equal(await stateOf(`transfer-${id}`), state);
      await booksNow();
      await becomes(`transfer-${id}`, 'success');
      assert.equal((await transfer(id)).code, 0);
      const { alice, bob } = before;
      assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob + 3_000 });
    });
  }

  it('after ten rounds it waits at the desk, exit code 4; retried there it is made', async () => {
    const [id, before] = [newId(), await balances()];
    const gid = `transfer-${id}`;
    world.faults.set({ function: 'bank_b.credit.action', kind: 'fail', attempts: 1_000, gid });
    await transfer(id, { BACKSTITCH_FAULTS: 'bank_b.credit.action:fail=1000' }, '--wait', '1s');
    await callers.query('update backstitch.state_table set rounds = 8 where gid = $1', [gid]);
    await becomes(gid, 'error');
    const { scheme, branches, transaction } = await undecided(gid);
    assert.deepEqual([scheme, branches, transaction], ['state', ['to-1'], 'stateTableDesk']);
    const asked = await transfer(id);
    assert.equal(asked.code, 4);
    assert.match(asked.stderr[0] ?? '', /it waits for a person: backstitch desk show transfer-.*InjectedFault/);
    const shown = await world.run('desk', 'show', gid);
    assert.equal(shown.code, 4);
    assert.match(shown.stdout, /action of 'to-1' waits since/);
    assert.match(shown.stdout, /input: \{"account":"bob","amount":3000\}/);
    assert.match(shown.stdout, /decide: retry, resolve, skip/);
    await booksNow();
    world.faults.clear();
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
    const cancelled = await world.run('tx', 'cancel', gid, '--actor', 'ann', '--reason', 'a test');
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
    const connection = await Connection.connect({ address: world.address });
    try {
      const handle = new Client({ connection }).workflow.getHandle(gid);
      await handle.terminate('a test');
      for (;;) {
        const { settled } = (await world.run('scan', '--json')).json<ScanReport>();
        if (settled.includes(gid)) break;
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
    const books = (await world.run('books', '--json')).json<Books>();
    assert.deepEqual(
      books.differences.map(({ check, found }) => [check, found]),
      [['what left a bank came to another', '3000']],
    );
    const bank = new pg.Client({ connectionString: world.databaseEnv.DATABASE_URL_BANK_B });
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
    const books = (await world.run('books', '--json')).json<Books>();
    assert.deepEqual(
      books.differences.map(({ check }) => check),
      ['what left a bank came to another'],
    );
    assert.equal((await transfer(newId())).code, 0);
    const bank = new pg.Client({ connectionString: world.databaseEnv.DATABASE_URL_BANK_A });
    await bank.connect();
    await bank
      .query(
        `insert into entries (gid, branch, kind, account, amount)
         values ($1, 'by hand', 'credit', 'alice', 3000), ($1, 'by hand', 'credit', 'clearing', -3000)`,
        [gid],
      )
      .finally(() => bank.end());
  });

  it('refuses what it cannot do, with a line for each, and begins nothing', async () => {
    const id = newId();
    const lines: [args: string[], ...stderr: RegExp[]][] = [
      [
        ['--from', 'bank_a:alice:1', 'bank_b:bob:1', '--to', 'bank_c:carol'],
        /^from: 2 accounts: must be 1 by the state table/,
      ],
      [
        ['--from', 'bank_a:alice:2', '--to', 'bank_b:bob:1', 'bank_c:carol:1'],
        /^to: 2 accounts: must be 1 by the state table/,
      ],
      [['--from', 'bank_a:alice:0', '--to', 'bank_b:bob'], /^--from: "bank_a:alice:0": amount must be a whole number/],
      [
        ['--from', 'bank_a:nobody:1', '--to', 'bank_b:nobody'],
        /^--from: "bank_a:nobody": bank_a has no such account: nothing was started$/,
        /^--to: "bank_b:nobody": bank_b has no such account: nothing was started$/,
      ],
      [
        ['--from', 'bank_a:alice:1', '--to', 'bank_b:bob', '--lane', 'direct'],
        /^--lane: "direct": is for other schemes/,
      ],
      [['--from', 'bank_a:alice:1', '--to', 'bank_b:bob', '--lock'], /^--lock: "set": is for other schemes/],
      [
        ['--from', 'bank_a:alice:1', '--to', 'bank_b:bob', '--undo', 'background'],
        /^--undo: "background": is for other/,
      ],
      [
        ['--from', 'bank_a:alice:1', '--to', 'bank_b:bob', '--deadline', '1m'],
        /^--deadline: "1m": is for other schemes/,
      ],
    ];
    for (const [args, ...expected] of lines) {
      const { code, stdout, stderr } = await call(['transfer', '--id', id, ...args]);
      assert.deepEqual([code, stdout, stderr.length], [2, '', expected.length], stderr.join('\n'));
      for (const [index, line] of expected.entries()) assert.match(stderr[index] ?? '', line);
    }
    assert.equal((await world.run('bank', 'status', 'bank_b:bob', 'frozen')).code, 0);
    const frozen = await transfer(id);
    assert.match(frozen.stderr[0] ?? '', /^--to: "bank_b:bob": bank_b has it frozen: nothing was started$/);
    assert.equal((await world.run('bank', 'status', 'bank_b:bob', 'open')).code, 0);
    assert.equal(await stateOf(`transfer-${id}`), undefined);
  });

  it("without the callers' database nothing is begun: exit code 2; without a bank's it is pending", async () => {
    const id = newId();
    const away = await transfer(id, { DATABASE_URL_CALLERS: 'postgres://nobody@127.0.0.1:1/callers' });
    assert.deepEqual([away.code, away.stdout, away.stderr.length], [2, '', 1]);
    assert.match(
      away.stderr[0] ?? '',
      /^the callers' database cannot be used \(.*\): .*nothing was begun by this call$/,
    );
    assert.equal(await stateOf(`transfer-${id}`), undefined);
    const pending = await transfer(id, { DATABASE_URL_BANK_B: 'postgres://nobody@127.0.0.1:1/bank_b' }, '--wait', '2s');
    assert.equal(pending.code, 3, pending.stderr.join('\n'));
    await becomes(`transfer-${id}`, 'success');
  });

  const place = (order: object, env: Record<string, string> = {}, ...more: string[]) =>
    call(['order', 'place', '--order', JSON.stringify(order), ...more], env);

  it('deducts the stock and creates the order, which waits for its payment; the saga goes on from there', async () => {
    const order = { orderId: newId(), customerId: 'c1', units: 2, amount: 1_000 };
    const before = await booksNow();
    const created = await place(order);
    assert.deepEqual([created.code, created.stderr], [0, []]);
    assert.equal(
      created.stdout,
      `order ${order.orderId} was created: 2 cd deducted, 10 points spent; it waits for its payment\n`,
    );
    const waiting = await booksNow();
    assert.deepEqual(
      [waiting.waiting, waiting.waitingUnits, waiting.waitingPoints, waiting.open],
      [before.waiting + 1, before.waitingUnits + 2, before.waitingPoints + 10, 0],
    );
    const paid = await world.run('order', 'place', '--order', JSON.stringify(order));
    assert.equal(paid.code, 0, paid.stderr.join('\n'));
    const after = await booksNow();
    assert.deepEqual([after.waiting, after.placed], [before.waiting, before.placed + 1]);
    assert.equal(after.stockUnits, before.stockUnits - 2);
  });

  it('an order that is half done is accounted for, until it is created', async () => {
    const order = { orderId: newId(), customerId: 'c1', units: 3, amount: 100 };
    const before = await booksNow();
    const pending = await place(order, { BACKSTITCH_FAULTS: 'orders.create.action:hang' }, '--wait', '1s');
    assert.equal(pending.code, 3);
    const half = await booksNow();
    assert.deepEqual([half.waiting, half.waitingUnits], [before.waiting, before.waitingUnits + 3]);
    await becomes(`order-${order.orderId}`, 'success');
    const shown = await world.run('order', 'show', order.orderId);
    assert.equal(shown.code, 0, shown.stderr.join('\n'));
    assert.equal((await booksNow()).waiting, before.waiting + 1);
  });

  it('an order is refused when the stock is short, or its customer is not there', async () => {
    const order = { orderId: newId(), customerId: 'c1', units: 1_000, amount: 100 };
    const short = await place(order);
    assert.equal(short.code, 1);
    assert.match(short.stderr[0] ?? '', /reserve-stock: OutOfStock/);
    const nobody = await place({ ...order, orderId: newId(), customerId: 'nobody' });
    assert.deepEqual(
      [nobody.code, nobody.stderr],
      [2, ['customerId: "nobody": the shop has no such customer: nothing was started']],
    );
    const file = await call(['order', 'place', '--file', await world.ordersFile([{}])]);
    assert.deepEqual([file.code, file.stdout], [2, '']);
    const early = await place(order, {}, '--stock-first');
    assert.match(early.stderr[0] ?? '', /sequence: .*is for the scheme saga/);
  });
});
