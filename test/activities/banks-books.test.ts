import assert from 'node:assert/strict';
import { BankWorld, move } from './bank-world.js';

describe('the books of a bank', () => {
  const bank = new BankWorld();

  describe('whatever the service does, its database', () => {
    const refusedWith = (text: string, message: RegExp) => assert.rejects(bank.test.sql('bank_a', text), message);
    const entry = (account: string, amount: number) => `('g', 'b', 'debit', '${account}', ${amount})`;
    const enter = (...entries: string[]) =>
      `insert into entries (gid, branch, kind, account, amount) values ${entries.join(', ')}`;

    it('refuses a balance, or something held, that moves by itself', async () => {
      await refusedWith('update accounts set balance = balance + 1', /moves only through entries/);
      await refusedWith('update accounts set held = 1', /moves only through entries, and what is held through holds/);
      await refusedWith('update accounts set holds = 1', /moves only through/);
      await refusedWith(`insert into accounts (account, balance) values ('rich', 5)`, /starts with nothing/);
    });

    it('refuses a movement that is not two entries of one sum, one of them its own', async () => {
      const rule = /two entries that sum to 0, one of them of the bank itself/;
      await refusedWith(enter(entry('alice', -1)), rule);
      await refusedWith(enter(entry('alice', -1), entry('clearing', 2)), rule);
      await refusedWith(enter(entry('alice', -1), entry('bob', 1)), rule);
      await refusedWith(enter(entry('cash', -1), entry('clearing', 1)), rule);
      await refusedWith(enter(entry('nobody', -1), entry('clearing', 1)), /there is no account nobody/);
    });

    it('refuses to change or remove entries', async () => {
      await refusedWith('update entries set amount = amount + 1', /append-only/);
      await refusedWith('delete from entries', /append-only/);
      await refusedWith('truncate entries', /append-only/);
    });

    it('refuses a balance below 0, and below what is held', async () => {
      await refusedWith(enter(entry('alice', -10_001), entry('clearing', 10_001)), /accounts_(not_negative|held)/);
      await bank.withdraw.try('t1', move('alice', 3_000));
      await refusedWith(enter(entry('alice', -7_001), entry('clearing', 7_001)), /accounts_held/);
    });

    it('refuses to freeze or close an account with a hold', async () => {
      await bank.deposit.try('t1', move('alice', 3_000));
      await refusedWith(`update accounts set status = 'frozen' where account = 'alice'`, /accounts_open_while_held/);
    });

    it('refuses a hold that changes twice, or goes while it is held', async () => {
      await bank.withdraw.try('t1', move('alice', 3_000));
      await refusedWith('update holds set amount = 1', /changes only once/);
      await refusedWith('delete from holds', /is not deleted/);
      await refusedWith('truncate holds', /is not truncated/);
      await bank.withdraw.cancel('t1', move('alice', 3_000));
      await refusedWith(`update holds set state = 'confirmed'`, /changes only once/);
    });
  });

  describe('proves its books', () => {
    const damages: [what: string, text: string, found: string[]][] = [
      [
        'a balance that is not the sum of its entries',
        `update accounts set balance = balance + 1 where account = 'alice'`,
        [
          'accounts.balance is the sum of its entries | bank_a:alice | 10000 | 10001',
          'balances + clearing = paid in | bank_a | 20000 | 20001',
        ],
      ],
      [
        'a hold that is gone',
        'delete from holds',
        [
          'accounts.held is the sum of its holds | bank_a:alice | 0 | 3000',
          'accounts.holds is the number of its holds | bank_a:alice | 0 | 1',
        ],
      ],
      [
        'half a movement',
        `delete from entries where account = 'cash' and gid = 'opening' and branch = 'bob'`,
        [
          'a movement is two entries that sum to 0 | bank_a: opening bob opening | 2 entries | 1 entries that sum to 10000',
          'balances + clearing = paid in | bank_a | 10000 | 20000',
        ],
      ],
    ];
    for (const [what, text, found] of damages) {
      it(`and finds ${what}`, async () => {
        await bank.withdraw.try('t1', move('alice', 3_000));
        assert.deepEqual(await bank.differences(), []);
        await bank.test.damage('bank_a', text);
        assert.deepEqual(await bank.differences(), found);
        await bank.test.empty();
      });
    }
  });
});
