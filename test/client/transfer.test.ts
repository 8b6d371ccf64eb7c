import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { bankNames, type BankName, type ListedAccount } from '../../src/contracts/transfer.js';
import type { ShownTransaction } from '../../src/kit/client/index.js';
import { openClientWorld, startProgram, type ClientWorld } from './support.js';

describe('the command line of the banks', function () {
  this.timeout(240_000);
  let world: ClientWorld;
  before(async () => {
    world = await openClientWorld();
    const opened = await world.run('bank', 'open');
    assert.equal(opened.code, 0, opened.stderr.join('\n'));
  });
  after(() => world.close());

  const newId = () => randomUUID().slice(0, 8);
  const transfer = (...args: string[]) => world.run('transfer', ...args);
  const usual = ['--from', 'bank_a:alice:3000', 'bank_b:bob:5000', '--to', 'bank_c:carol'];
  /** For a scheme in which one account gives. */
  const one = ['--from', 'bank_a:alice:3000', '--to', 'bank_b:bob:1000', 'bank_c:carol:2000'];
  /** What each account has, by name. */
  const balances = async () => {
    const banks = (await world.run('bank', 'show', '--json')).json<Record<BankName, ListedAccount[]>>();
    const all = bankNames.flatMap((bank) =>
      banks[bank].map(({ account, balance }) => [account, Number(balance)] as const),
    );
    return Object.fromEntries(all);
  };

  it('opens three accounts for the demo, once: what is in them stays', async () => {
    const made = await transfer('--scheme', 'saga', '--from', 'bank_a:alice:1', '--to', 'bank_b:bob');
    // Whoever hears no answer can ask again.
    const [, noted = ''] =
      /^this transfer has the id (\S+): if no answer comes, ask again/.exec(made.stderr[0] ?? '') ?? [];
    const repeated = await transfer(
      '--scheme',
      'saga',
      '--id',
      noted,
      '--from',
      'bank_a:alice:1',
      '--to',
      'bank_b:bob',
    );
    assert.deepEqual([repeated.code, repeated.stderr, repeated.stdout], [0, [], made.stdout]);
    const again = await world.run('bank', 'open', '--json');
    assert.deepEqual(again.json<{ accounts: unknown[] }>().accounts, [
      { bank: 'bank_a', account: 'alice', cents: 100_000 },
      { bank: 'bank_b', account: 'bob', cents: 100_000 },
      { bank: 'bank_c', account: 'carol', cents: 100_000 },
    ]);
    const { alice = 0, bob } = await balances();
    assert.deepEqual([alice, bob], [99_999, 100_001]);
    const shown = await world.run('bank', 'show');
    assert.match(shown.stdout, /│ bank_a +│ alice +│ open +│ 999\.99 +│ 0\.00 +│ 999\.99 +│ 0 +│/);
  });

  for (const [scheme, lanes] of [
    ['saga', ['durable', 'lean', 'grouped', 'direct']],
    ['tcc', ['durable', 'lean']],
    ['2pc', ['durable']],
    ['3pc', ['durable']],
  ] as const) {
    for (const lane of lanes) {
      it(`moves money from two accounts to a third that is given no amount (${scheme}, ${lane})`, async () => {
        const id = newId();
        const before = await balances();
        const env = lane === 'direct' ? world.databaseEnv : {};
        const args = ['transfer', '--scheme', scheme, '--lane', lane, '--id', id, ...usual];
        const made = await startProgram(args, { ...world.env, ...env }).ended;
        assert.deepEqual(
          [made.code, made.stderr, made.stdout],
          [0, [], `transfer ${id} was made: 80.00 from 2 accounts to 1 account\n`],
        );
        const { alice = 0, bob = 0, carol = 0 } = before;
        assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob - 5_000, carol: carol + 8_000 });
        const shown = (await world.run('tx', 'show', `transfer-${id}`, '--json')).json<ShownTransaction>();
        assert.deepEqual([shown.scheme, shown.lane, shown.state], [scheme, lane, 'committed']);
      });
    }
  }

  /** The command is the producer of a message: it needs the database of the bank that gives, and no other. */
  const send = (...args: string[]) => {
    const { DATABASE_URL_BANK_A = '' } = world.databaseEnv;
    return startProgram(['transfer', '--scheme', 'message', ...args], { ...world.env, DATABASE_URL_BANK_A }).ended;
  };

  it('moves money from one account to two others (message), once, and shows it as any transaction', async () => {
    const id = newId();
    const before = await balances();
    const made = await send('--id', id, ...one);
    assert.deepEqual([made.code, made.stderr, made.stdout], [0, [], `transfer ${id} was made: 30.00 from 1 account to 2 accounts\n`]); // prettier-ignore
    assert.equal((await send('--id', id, ...one)).stdout, made.stdout);
    const { alice = 0, bob = 0, carol = 0 } = before;
    assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob + 1_000, carol: carol + 2_000 });
    const shown = (await world.run('tx', 'show', `transfer-${id}`, '--json')).json<ShownTransaction>();
    assert.deepEqual([shown.scheme, shown.state], ['message', 'committed']);
    const branches = shown.branches.map(({ branch, operation, state }) => [branch, operation, state]);
    assert.deepEqual(branches[0], ['from-1', 'bank_a.debit', 'succeeded']);
    assert.deepEqual(branches.slice(1).toSorted(), [['to-1', 'bank_b.credit', 'succeeded'], ['to-2', 'bank_c.credit', 'succeeded']]); // prettier-ignore
    const listed = await world.run('tx', 'list', '--scheme', 'message', '--json');
    assert.match(listed.stdout, new RegExp(`transfer-${id}`));
  });

  it('of a message whose account cannot pay: exit code 1, and why; of two accounts that give: exit code 2', async () => {
    const before = await balances();
    const poor = await send('--id', newId(), '--from', 'bank_a:alice:100000000', '--to', 'bank_c:carol');
    assert.deepEqual([poor.code, poor.stdout, poor.stderr.length], [1, '', 1]);
    assert.match(poor.stderr[0] ?? '', /was undone: from-1: InsufficientFunds: account alice of bank_a has/);
    const two = await send(...usual);
    assert.deepEqual([two.code, two.stderr], [2, ['from: 2 accounts: must be 1 for a transfer by message, whose debit is one local transaction']]); // prettier-ignore
    const nowhere = await transfer('--scheme', 'message', ...one);
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.stderr[0] ?? '', /^no database for the service 'bank_a'/);
    assert.deepEqual(await balances(), before);
  });

  it('of a message that is not known to have come through: exit code 3, and it goes on by itself', async () => {
    const id = newId();
    const before = await balances();
    world.faults.set({ function: 'bank_b.credit.action', kind: 'fail', attempts: 1_000, gid: `transfer-${id}` });
    const pending = await send('--id', id, '--wait', '1s', ...one);
    assert.deepEqual([pending.code, pending.stdout], [3, '']);
    assert.match(pending.stderr.at(-1) ?? '', /has not ended yet \(running\)/);
    world.faults.clear();
    assert.equal((await send('--id', id, ...one)).code, 0);
    const { alice = 0, bob = 0, carol = 0 } = before;
    assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob + 1_000, carol: carol + 2_000 });
  });

  it('that is killed after the debit of a message has sent it all the same', async () => {
    const id = newId();
    const before = await balances();
    const args = ['transfer', '--scheme', 'message', '--id', id, '--deadline', '2s', ...one];
    const env = { ...world.env, ...world.databaseEnv, BACKSTITCH_FAULTS: 'bank_a.debit.action:kill-after-commit' };
    assert.equal((await startProgram(args, env).ended).code, null);
    const again = await send('--id', id, ...one);
    assert.equal(again.code, 0);
    const { alice = 0, bob = 0, carol = 0 } = before;
    assert.deepEqual(await balances(), { ...before, alice: alice - 3_000, bob: bob + 1_000, carol: carol + 2_000 });
  });

  it('gives a transfer an id of its own where none is given, and tells it', async () => {
    const made = await transfer('--scheme', 'tcc', ...usual, '--json');
    const { gid, state, result } = made.json<{ gid: string; state: string; result: { id: string; amount: number } }>();
    assert.deepEqual([made.code, gid, state, result.amount], [0, `transfer-${result.id}`, 'committed', 8_000]);
  });

  it('makes a transfer once: asked again it tells the same; by another scheme, or of another amount, it is refused', async () => {
    const id = newId();
    const ask = (scheme: string, ...args: string[]) => transfer('--scheme', scheme, '--id', id, ...args, '--json');
    const first = await ask('tcc', ...usual);
    const before = await balances();
    assert.deepEqual((await ask('tcc', ...usual)).json(), first.json());
    for (const other of [
      await ask('saga', ...usual),
      await ask('tcc', '--from', 'bank_a:alice:1', '--to', 'bank_b:bob'),
    ]) {
      assert.deepEqual([other.code, other.stderr.length], [2, 1]);
      assert.match(other.stderr[0] ?? '', /was started before .*: nothing was started/);
    }
    assert.deepEqual(await balances(), before);
  });

  for (const [scheme, step] of [
    ['saga', 'from-1'],
    ['tcc', 'from-1'],
    ['2pc', 'bank_a'],
    ['3pc', 'bank_a'],
  ] as const) {
    it(`of a transfer that is undone: exit code 1, and why (${scheme})`, async () => {
      const before = await balances();
      const poor = ['--from', 'bank_a:alice:100000000', '--to', 'bank_c:carol'];
      const undone = await transfer('--scheme', scheme, '--id', newId(), ...poor);
      assert.deepEqual([undone.code, undone.stdout, undone.stderr.length], [1, '', 1]);
      const why = new RegExp(`^transfer-\\S+ was undone: ${step}: InsufficientFunds: account alice of bank_a has`);
      assert.match(undone.stderr[0] ?? '', why);
      assert.deepEqual(await balances(), before);
    });
  }

  it('freezes an account and opens it again; a transfer to one that is frozen is undone', async () => {
    const status = (of: string) => world.run('bank', 'status', 'bank_c:carol', of);
    assert.deepEqual((await status('frozen')).stdout, 'bank_c:carol is frozen\n');
    const before = await balances();
    const refused = await transfer('--scheme', 'tcc', '--id', newId(), ...usual);
    assert.match(refused.stderr[0] ?? '', /to-1: AccountFrozen: account carol of bank_c is frozen/);
    assert.deepEqual([refused.code, await balances()], [1, before]);
    assert.equal((await status('open')).code, 0);
    assert.equal((await transfer('--scheme', 'tcc', ...usual)).code, 0);
  });

  it('says in one line what no account can be: exit code 2, or 1 where its bank refuses', async () => {
    const lines: [args: string[], code: number, line: RegExp][] = [
      [['status', 'alice', 'open'], 2, /^account: "alice": must be BANK:ACCOUNT, such as bank_a:alice$/],
      [['status', 'bank_a:alice', 'rich'], 2, /^status: "rich": /],
      [['status', 'bank_a:nobody', 'frozen'], 1, /bank_a has no account nobody$/],
      [['open', 'bank_a:alice'], 2, /^account: "bank_a:alice": must be BANK:ACCOUNT:CENTS, such as /],
      [['open', 'bank_z:alice:5'], 2, /^bank: "bank_z": must be one of bank_a, bank_b, bank_c$/],
      ...['0.5', '0.9999999999999999999', '0x10', '1e3', ' 5', '+5', '-5', '9007199254740992'].map(
        (text): [string[], number, RegExp] => [
          ['open', `bank_a:alice:${text}`],
          2,
          /^cents: ".*": must be a whole number of cents from 0 to 9007199254740991$/,
        ],
      ),
      [['open', 'bank_a:alice:'], 2, /^account: "bank_a:alice:": must be BANK:ACCOUNT:CENTS, such as /],
    ];
    for (const [args, code, line] of lines) {
      const { code: found, stderr } = await world.run('bank', ...args);
      assert.deepEqual([found, stderr.length], [code, 1], stderr.join('\n'));
      assert.match(stderr[0] ?? '', line);
    }
  });

  it('refuses accounts that their banks do not have, a line each, and starts nothing', async () => {
    const id = newId();
    for (const scheme of ['saga', 'tcc', '2pc', '3pc']) {
      const legs = ['--from', 'bank_a:nobody:5', 'bank_b:alice:5', '--to', 'bank_c:carol'];
      const { code, stdout, stderr } = await transfer('--scheme', scheme, '--id', id, ...legs);
      assert.deepEqual([code, stdout], [2, '']);
      assert.deepEqual(stderr, [
        '--from: "bank_a:nobody": bank_a has no such account: nothing was started',
        '--from: "bank_b:alice": bank_b has no such account: nothing was started',
      ]);
    }
    assert.equal((await world.run('tx', 'show', `transfer-${id}`)).code, 2, 'it was started');
  });

  for (const [scheme, lane, lanes] of [
    ['tcc', 'direct', 'durable and lean'],
    ['tcc', 'grouped', 'durable and lean'],
    ['2pc', 'lean', 'durable'],
    ['3pc', 'lean', 'durable'],
    ['message', 'direct', 'durable'],
  ] as const) {
    it(`refuses the lane ${lane} for ${scheme}, which has it not: nothing was started`, async () => {
      const legs = scheme === 'message' ? one : usual;
      const args = ['transfer', '--scheme', scheme, '--lane', lane, '--id', newId(), ...legs];
      const { code, stdout, stderr } = await startProgram(args, { ...world.env, ...world.databaseEnv }).ended;
      assert.deepEqual([code, stdout], [2, '']);
      assert.deepEqual(stderr, [`lane: "${lane}": is no lane of scheme ${scheme}, which has ${lanes}`]);
    });
  }

  it('proves the books of the banks with those of the shop', async () => {
    const books = await world.run('books');
    assert.equal(books.code, 0, books.stdout);
    assert.match(books.stdout, /^bankPaidInCents +3000\.00$/m);
    assert.match(books.stdout, /^bankBalancesCents +3000\.00$/m);
    assert.match(books.stdout, /^✓ what left a bank came to another$/m);
    assert.match(books.stdout, /^✓ nothing is held for a transfer that has not ended$/m);
  });
});
