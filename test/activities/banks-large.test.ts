import assert from 'node:assert/strict';
import { exactCents, formatCents } from '../../src/contracts/money.js';
import { BankWorld, move } from './bank-world.js';
import { operation, refused } from './support.js';

const MOST = Number.MAX_SAFE_INTEGER;

describe('a bank whose accounts have as much as a number holds', () => {
  for (const statements of ['one', 'several'] as const) {
    describe(`(work and guard in ${statements === 'one' ? 'one statement' : 'several'})`, () => {
      const bank = new BankWorld(statements);

      it('takes money in up to that, and refuses more: credit, deposit, move', async () => {
        await bank.open(['rich'], MOST - 5);
        await bank.credit('t1', move('rich', 5));
        assert.equal((await bank.state('rich'))?.balance, MOST);
        const full = 'account rich of bank_a is full: with 0.01 more it had more than 90071992547409.91';
        assert.equal(await refused(bank.credit('t2', move('rich', 1)), 'AccountFull'), full);
        assert.equal(await refused(bank.deposit.try('t3', move('rich', 1)), 'AccountFull'), full);
        const moves = { from: [], to: [{ leg: 'to-1', account: 'rich', amount: 1 }] };
        const { move: movement } = bank.test.shop.participants.bank_a;
        const asked = operation('bank_a.move.prepare', 't4', { scheme: '2pc', branch: 'bank_a' });
        assert.equal(await refused(movement.prepare(asked, moves), 'AccountFull'), full);
        assert.deepEqual(await bank.holds(), []);
        assert.deepEqual(await bank.differences(), []);
      });

      it('does what was promised, though it is more by then: it is read exactly', async () => {
        await bank.open(['rich'], MOST - 5);
        await bank.deposit.try('t1', move('rich', 5));
        await bank.debit('t2', move('rich', 1_000));
        await bank.credit('t3', move('rich', 1_005));
        await bank.deposit.confirm('t1', move('rich', 5));
        await bank.payBack('t2', move('rich', 1_000));
        const state = await bank.state('rich');
        assert.deepEqual([state?.balance, state?.available], ['9007199254741996', '9007199254741996']);
        const [listed] = (await bank.test.shop.plain['banks.accounts']({ bank: 'bank_a' })).slice(-1);
        assert.equal(listed?.balance, '9007199254741996');
        const totals = await bank.totals();
        assert.deepEqual([totals.balances, totals.paidIn], ['9007199254761996', '9007199254760986']);
        assert.deepEqual(await bank.differences(), []);
        const { figures, differences } = await bank.test.shop.plain['books.prove']();
        assert.equal(figures.bankBalancesCents, '9007199254761996');
        assert.deepEqual(differences.map(({ check }) => check), ['what left a bank came to another']); // prettier-ignore
        const message = await refused(bank.debit('t4', move('rich', MOST)).then(() => bank.debit('t5', move('rich', MOST))), 'InsufficientFunds'); // prettier-ignore
        assert.equal(message, 'account rich of bank_a has 10.05 to spend, 90071992547409.91 are asked');
      });
    });
  }

  it('and sums beyond it are written digit by digit', () => {
    assert.deepEqual([0, 5, -5, 2933, -2933, '9007199254741996', '-9007199254741996', 2 ** 53 - 1].map(formatCents), [
      '0.00',
      '0.05',
      '-0.05',
      '29.33',
      '-29.33',
      '90071992547419.96',
      '-90071992547419.96',
      '90071992547409.91',
    ]);
    assert.deepEqual([exactCents('5'), exactCents('9007199254740993'), exactCents(-7n)], [5, '9007199254740993', -7]);
  });
});
