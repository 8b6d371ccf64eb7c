import assert from 'node:assert/strict';
import type { ServiceName } from '../../src/activities/index.js';
import { advance, openTestShop, orderOf, stockUp, type TestShop } from './support.js';

const ledgers: {
  service: ServiceName;
  accounts: string;
  entries: string;
  key: string;
  balance: string;
  out: string;
}[] = [
  {
    service: 'orders',
    accounts: 'customers',
    entries: 'point_entries',
    key: 'customer_id',
    balance: 'points',
    out: 'spent',
  },
  {
    service: 'payments',
    accounts: 'wallets',
    entries: 'wallet_entries',
    key: 'customer_id',
    balance: 'balance',
    out: 'capture',
  },
  {
    service: 'inventory',
    accounts: 'stock',
    entries: 'stock_entries',
    key: 'sku',
    balance: 'available',
    out: 'reserved',
  },
];

describe('a ledger', function () {
  let test: TestShop;
  before(async () => {
    test = await openTestShop();
    await stockUp(test);
    await advance(test, orderOf('o1'));
  });
  after(() => test.close());

  for (const { service, accounts, entries, key, balance, out } of ledgers) {
    describe(accounts, () => {
      const run = (text: string) => test.sql(service, text);
      const account = async () => {
        const [row] = await test.sql<{ key: string; balance: string; entered: string }>(
          service,
          `select ${key} as key, ${balance}::text as balance,
             (select sum(amount)::text from ${entries} where ${key} = a.${key}) as entered
           from ${accounts} a order by ${key} limit 1`,
        );
        assert.ok(row);
        return row;
      };
      const refusedWith = (text: string, message: RegExp) =>
        assert.rejects(run(text), (error: Error) => {
          assert.match(error.message, message);
          return true;
        });

      it('has a balance that is the sum of its entries', async () => {
        const { balance: held, entered } = await account();
        assert.equal(held, entered);
        assert.notEqual(held, '0');
      });

      it('refuses to change a balance directly', async () => {
        const before = await account();
        await refusedWith(
          `update ${accounts} set ${balance} = ${balance} + 1`,
          /moves only through .*: insert an entry/,
        );
        await refusedWith(`update ${accounts} set ${balance} = 0`, /moves only through/);
        assert.deepEqual(await account(), before);
      });

      it('refuses an account that does not start with 0', async () => {
        await refusedWith(`insert into ${accounts} (${key}, ${balance}) values ('rich', 5)`, /starts with .* 0/);
      });

      it('refuses to change, delete or truncate entries', async () => {
        const before = await account();
        await refusedWith(`update ${entries} set amount = amount + 1`, /append-only/);
        await refusedWith(`delete from ${entries}`, /append-only/);
        await refusedWith(`truncate ${entries}`, /append-only/);
        await refusedWith(`truncate ${accounts} cascade`, /append-only/);
        assert.deepEqual(await account(), before);
      });

      it('refuses to delete an account with entries', async () => {
        await refusedWith(`delete from ${accounts}`, /foreign key/);
      });

      it('refuses an entry that would make a balance negative, whatever the service does', async () => {
        const before = await account();
        await refusedWith(
          `insert into ${entries} (${key}, kind, amount) values ('${before.key}', '${out}', -1000000)`,
          new RegExp(`${accounts}_not_negative`),
        );
        assert.deepEqual(await account(), before);
      });

      it('refuses an entry of the wrong sign, of an unknown kind, or of no account', async () => {
        const { key: id } = await account();
        const insert = (subject: string, kind: string, amount: number) =>
          `insert into ${entries} (${key}, kind, amount) values ('${subject}', '${kind}', ${amount})`;
        await refusedWith(insert(id, out, 1), new RegExp(`${entries}_signed`));
        await refusedWith(insert(id, 'magic', 1), new RegExp(`${entries}_signed`));
        await refusedWith(insert('nobody', out, -1), /foreign key/);
      });

      it('refuses a second entry of a kind for one order', async () => {
        const { key: id } = await account();
        await refusedWith(
          `insert into ${entries} (${key}, kind, amount, order_id) values ('${id}', '${out}', -1, 'o1')`,
          new RegExp(`${entries}_once`),
        );
      });
    });
  }
});
