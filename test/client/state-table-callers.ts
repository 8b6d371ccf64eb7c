import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Books } from '../../src/contracts/shop.js';
import { bankNames, type BankName, type ListedAccount } from '../../src/contracts/transfer.js';
import type { ShownTransaction, StuckTransaction } from '../../src/kit/client/index.js';
import { deskIdOf } from '../../src/kit/workflow/state-table/desk.js';
import { openClientWorld, startProgram, type ClientWorld } from './support.js';

/** A shop with a worker, and callers of its state table: opened before the tests of a suite. After each of them the books balance. */
export function callersWorld() {
  const at = {} as { world: ClientWorld; callers: pg.Pool };
  before(async () => {
    at.world = await openClientWorld();
    at.callers = new pg.Pool({ connectionString: at.world.databaseEnv.DATABASE_URL_CALLERS, max: 2 });
    assert.equal((await at.world.run('bank', 'open')).code, 0);
    const file = await at.world.ordersFile([{ customerId: 'c1' }]);
    assert.equal((await at.world.run('shop', 'open', '--file', file, '--stock', '100', '--points', '50')).code, 0);
  });
  afterEach(async () => {
    at.world.faults.clear();
    await booksNow();
  });
  after(async () => {
    await at.callers.end();
    await at.world.close();
  });

  const newId = () => randomUUID().slice(0, 8);
  /** Runs the program as a caller: it has the databases, and no Temporal server unless it is given one. */
  const call = (args: readonly string[], env: Record<string, string> = {}) => {
    const nowhere = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
    return startProgram([...args, '--scheme', 'state-table'], { ...nowhere, ...at.world.databaseEnv, ...env }).ended;
  };
  const transfer = (id: string, env: Record<string, string> = {}, ...more: string[]) =>
    call(['transfer', '--id', id, '--from', 'bank_a:alice:3000', '--to', 'bank_b:bob', ...more], env);
  const balances = async () => {
    const banks = (await at.world.run('bank', 'show', '--json')).json<Record<BankName, ListedAccount[]>>();
    const all = bankNames.flatMap((bank) => banks[bank].map(({ account, balance }) => [account, Number(balance)]));
    return Object.fromEntries(all) as Record<'alice' | 'bob' | 'carol', number>;
  };
  const booksNow = async () => {
    const books = await at.world.run('books', '--json');
    assert.deepEqual([books.code, books.json<Books>().differences], [0, []]);
    return books.json<Books>().figures;
  };
  const stateOf = async (gid: string) =>
    (await at.callers.query<{ state: string }>('select state from backstitch.state_table where gid = $1', [gid]))
      .rows[0]?.state;
  /** Lets the scan come now, and waits until a row is as it is asked. */
  const becomes = async (gid: string, ...states: string[]) => {
    for (;;) {
      const found = await stateOf(gid);
      if (found !== undefined && states.includes(found)) return;
      await at.callers.query(
        `update backstitch.state_table set due_at = now() where gid = $1 and due_at > now() and rounds < 10`,
        [gid],
      );
      await delay(100);
    }
  };
  const undecided = async (gid: string): Promise<StuckTransaction> => {
    for (;;) {
      const list = (await at.world.run('desk', 'list', '--json')).json<{ transactions: StuckTransaction[] }>();
      const found = list.transactions.find((each) => each.gid === deskIdOf('callers', gid));
      if (found) return found;
    }
  };
  const decide = (action: string, gid: string, ...more: string[]) =>
    at.world.run('desk', action, gid, '--actor', 'ann', '--reason', 'a test', ...more);
  const ended = async (gid: string, state: string): Promise<ShownTransaction> => {
    for (;;) {
      const shown = (await at.world.run('tx', 'show', gid, '--json')).json<ShownTransaction>();
      if (shown.state === state) return shown;
    }
  };
  const place = (order: object, env: Record<string, string> = {}, ...more: string[]) =>
    call(['order', 'place', '--order', JSON.stringify(order), ...more], env);
  return { at, newId, call, transfer, place, balances, booksNow, stateOf, becomes, undecided, decide, ended };
}
