import assert from 'node:assert/strict';
import {
  ACCOUNTS,
  accounts,
  CONTENDED,
  contentions,
  effectsOf,
  passesOf,
  transfersOf,
} from '../../../bench/transfer/plan.js';
import { transferSchema } from '../../../src/contracts/transfer.js';

describe('the plan of the comparison of schemes', () => {
  for (const share of contentions) {
    it(`has ${share} % take from the same account, evenly spread, each with an id of its own`, () => {
      const transfers = transfersOf('t', 200, share);
      const contended = (some: typeof transfers) => some.filter(({ from: [first] }) => first?.account === CONTENDED);
      assert.equal(contended(transfers).length, share * 2);
      assert.equal(contended(transfers.slice(0, 100)).length, share);
      assert.equal(new Set(transfers.map(({ id }) => id)).size, 200);
    });
  }

  it('has transfers that the schemes take, between accounts that the banks have', () => {
    for (const transfer of transfersOf('t', 2, 50)) {
      const { from, to } = transferSchema.parse(transfer);
      for (const { bank, account } of [...from, ...to]) assert.ok(accounts[bank].includes(account), account);
    }
  });

  it('uses an account again only after all others', () => {
    const sources = transfersOf('t', ACCOUNTS + 1, 0).map(({ from: [first] }) => first?.account);
    assert.equal(new Set(sources).size, ACCOUNTS);
    assert.equal(sources[0], sources.at(-1));
  });

  it('spreads few transfers over all accounts', () => {
    const sources = transfersOf('t', 4, 0, ACCOUNTS / 4).map(({ from: [first] }) => first?.account);
    assert.deepEqual(sources, ['account-0', 'account-25', 'account-50', 'account-75']);
  });

  it('expects of what is done that as much comes in as goes out', () => {
    const effects = effectsOf(transfersOf('t', ACCOUNTS + 1, 0));
    assert.equal(effects.get('bank_a account-0'), -6_000);
    assert.equal(effects.get('bank_c account-1'), 8_000);
    assert.equal(
      [...effects.values()].reduce((sum, change) => sum + change, 0),
      0,
    );
  });

  it('runs the schemes in an order and in the opposite one, in each round', () => {
    assert.deepEqual(
      passesOf(['saga', 'tcc', '2pc'], 2).join(' '),
      'saga tcc 2pc 2pc tcc saga saga tcc 2pc 2pc tcc saga',
    );
  });
});
