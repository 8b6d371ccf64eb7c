import assert from 'node:assert/strict';
import type { ListedTransaction } from '../../src/kit/client/index.js';
import { callersWorld } from './state-table-callers.js';
import { startProgram } from './support.js';

describe('the command line of the state table: transfers', function () {
  this.timeout(240_000);
  const { at, newId, call, transfer, balances, booksNow, stateOf, becomes, ended } = callersWorld();
  const noCallers = { DATABASE_URL_CALLERS: 'postgres://nobody@127.0.0.1:1/callers' };

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
    const shown = await at.world.run('tx', 'show', `transfer-${id}`);
    assert.equal(shown.code, 0, shown.stderr.join('\n'));
    assert.match(shown.stdout, /^transfer-\S+ {2}committed {2}\(state, state-table\)\nsuccess: 2 of 2 done$/m);
    assert.match(shown.stdout, /│ 1 +│ from-1 +│ bank_a\.debit\.action +│ succeeded +│ 1 +│/);
    assert.match(shown.stdout, /│ 2 +│ to-1 +│ bank_b\.credit\.action +│ succeeded +│ 1 +│/);
    for (const args of [[], ['--scheme', 'state']]) {
      const list = await at.world.run('tx', 'list', '--limit', '1000', '--json', ...args);
      const { transactions } = list.json<{ transactions: ListedTransaction[] }>();
      const line = transactions.find(({ gid }) => gid === `transfer-${id}`);
      assert.deepEqual([line?.scheme, line?.state, line?.lane], ['state', 'committed', 'state-table']);
    }
    const sagas = await at.world.run('tx', 'list', '--limit', '1000', '--json', '--scheme', 'saga');
    assert.ok(
      sagas.json<{ transactions: ListedTransaction[] }>().transactions.every(({ scheme }) => scheme === 'saga'),
    );
    assert.match(
      (await at.world.run('log', `transfer-${id}`)).stdout,
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
    const shown = await at.world.run('tx', 'show', gid);
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

  it('an id is one transfer, whatever schemes it is asked of', async () => {
    const legs = ['--from', 'bank_a:alice:3000', '--to', 'bank_b:bob'];
    const env = { ...at.world.env, ...at.world.databaseEnv };
    const other = (scheme: readonly string[], id: string) =>
      startProgram(['transfer', '--scheme', ...scheme, '--id', id, ...legs], env).ended;
    for (const scheme of [['message'], ['saga', '--lane', 'direct'], ['saga'], ['tcc']]) {
      const [here, there, before] = [newId(), newId(), await balances()];
      assert.equal((await transfer(here)).code, 0);
      const again = await other(scheme, here);
      assert.equal((await other(scheme, there)).code, 0);
      const back = await transfer(there);
      // Done before, or refused; 2: begun under that id by others, says the direct lane. What another scheme has ended is not told as
      // refused: a person has to see to it.
      assert.ok(
        [0, 1, 2].includes(again.code ?? 9) && [0, 1, 4].includes(back.code ?? 9),
        `${again.code} ${back.code}`,
      );
      // Two transfers, and no third.
      const { alice, bob } = before;
      assert.deepEqual(await balances(), { ...before, alice: alice - 6_000, bob: bob + 6_000 }, scheme.join(' '));
      await booksNow();
    }
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
    assert.equal((await at.world.run('bank', 'status', 'bank_b:bob', 'frozen')).code, 0);
    const frozen = await transfer(id);
    assert.match(frozen.stderr[0] ?? '', /^--to: "bank_b:bob": bank_b has it frozen: nothing was started$/);
    assert.equal((await at.world.run('bank', 'status', 'bank_b:bob', 'open')).code, 0);
    assert.equal(await stateOf(`transfer-${id}`), undefined);
  });

  it("without the callers' database a new id begins nothing: exit code 2; without a bank's it is pending", async () => {
    const legs = ['transfer', '--from', 'bank_a:alice:3000', '--to', 'bank_b:bob'];
    const before = await balances();
    const away = await call(legs, noCallers);
    assert.deepEqual([away.code, away.stdout, away.stderr.length], [2, '', 2]);
    assert.match(away.stderr[0] ?? '', /^this transfer has the id /);
    assert.match(away.stderr[1] ?? '', /^the callers' database cannot be used \(.*\): .*: nothing was begun$/);
    assert.deepEqual(await balances(), before);
    const id = newId();
    const pending = await transfer(id, { DATABASE_URL_BANK_B: 'postgres://nobody@127.0.0.1:1/bank_b' }, '--wait', '2s');
    assert.equal(pending.code, 3, pending.stderr.join('\n'));
    await becomes(`transfer-${id}`, 'success');
  });

  it("without the callers' database an id that is given may have been used before: pending, exit code 3", async () => {
    const id = newId();
    const before = await balances();
    assert.equal((await transfer(id)).code, 0);
    const asked = await transfer(id, noCallers, '--json');
    const { error } = asked.json<{ error: { type: string; begun: boolean; message: string } }>();
    assert.deepEqual([asked.code, error.type, error.begun], [3, 'TransactionPending', false]);
    const told = /^transfer-\S+: pending: ask again later: whether it has begun is not known: the callers' database /;
    assert.match(error.message, told);
    assert.match(error.message, /: nothing was begun by this call$/);
    assert.equal((await transfer(id)).code, 0);
    const { alice, bob } = before;
    assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob + 3_000 });
  });
});
