import assert from 'node:assert/strict';
import { transferSagaTransaction, transferTccTransaction } from '../../src/contracts/transactions.js';
import type { Transfer } from '../../src/contracts/transfer.js';
import type { InvalidInput } from '../../src/kit/client/index.js';

const MAX = Number.MAX_SAFE_INTEGER;
const alice = { bank: 'bank_a', account: 'alice', amount: 3_000 } as const;
const bob = { bank: 'bank_b', account: 'bob', amount: 5_000 } as const;
const carol = { bank: 'bank_c', account: 'carol', amount: 8_000 } as const;
const good: Transfer = { id: 't1', from: [alice, bob], to: [carol] };
const many = (count: number, amount: number, name = 'a') =>
  Array.from({ length: count }, (_, n) => ({ bank: 'bank_a' as const, account: `${name}${n}`, amount }));

describe('the contract of a transfer', () => {
  const parse = (given: unknown) => transferTccTransaction.parse(given as Transfer);

  it('takes from 1 to 20 accounts to 1 to 20 others, up to 2^53 - 1 cents', () => {
    assert.deepEqual(parse(good), good);
    const widest = { id: 't2', from: many(20, 1), to: many(20, 1, 'b') };
    assert.deepEqual(parse(widest), widest);
    const largest = { id: 't3', from: [{ ...alice, amount: MAX }], to: [{ ...carol, amount: MAX }] };
    assert.deepEqual(parse(largest), largest);
  });

  it('takes one name at two banks: they are two accounts', () => {
    const given = { id: 't1', from: [alice], to: [{ ...alice, bank: 'bank_b' }] };
    assert.deepEqual(parse(given), given);
  });

  const amountRule = 'must be a whole number of cents from 1 to 9007199254740991';
  const idRule = 'must be 1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit';
  const withAmount = (amount: unknown) => ({ ...good, from: [{ ...alice, amount }, bob] });
  const refused: [what: string, given: unknown, line: string][] = [
    [
      'unequal sums',
      { ...good, to: [{ ...carol, amount: 7_000 }] },
      'from and to: 8000 and 7000 cents: must have the same sum',
    ],
    [
      'unequal sums that a number would hold as equal',
      {
        id: 't1',
        from: [
          { ...alice, amount: MAX },
          { ...bob, amount: 2 },
        ],
        to: [{ ...carol, amount: MAX }, ...many(1, 1)],
      },
      'from and to: 9007199254740993 and 9007199254740992 cents: must have the same sum',
    ],
    [
      'sums of 2^53 and more',
      {
        id: 't1',
        from: [
          { ...alice, amount: MAX },
          { ...bob, amount: 1 },
        ],
        to: [{ ...carol, amount: MAX }, ...many(1, 1)],
      },
      'from and to: 9007199254740992 cents: must be below 2^53 in all',
    ],
    [
      'an account twice on one side',
      { ...good, from: [alice, alice], to: [{ ...carol, amount: 6_000 }] },
      'from.1.account: "alice": must be named once: bank_a:alice is from.0 too',
    ],
    [
      'an account on both sides',
      { id: 't1', from: [alice], to: [alice] },
      'to.0.account: "alice": must be named once: bank_a:alice is from.0 too',
    ],
    [
      'an unknown bank',
      { ...good, from: [{ ...alice, bank: 'bank_z' }, bob] },
      'from.0.bank: "bank_z": must be one of bank_a, bank_b, bank_c',
    ],
    [
      'no bank',
      { ...good, to: [{ ...carol, bank: undefined }] },
      'to.0.bank: missing: must be one of bank_a, bank_b, bank_c',
    ],
    [
      'an account that is no name',
      { ...good, to: [{ ...carol, account: 'no name' }] },
      `to.0.account: "no name": ${idRule}`,
    ],
    ['an amount of 0', withAmount(0), `from.0.amount: 0: ${amountRule}`],
    ['a negative amount', withAmount(-3_000), `from.0.amount: -3000: ${amountRule}`],
    ['a fractional amount', withAmount(0.5), `from.0.amount: 0.5: ${amountRule}`],
    ['an amount of 2^53', withAmount(MAX + 1), `from.0.amount: 9007199254740992: ${amountRule}`],
    ['an amount that is text', withAmount('3000'), `from.0.amount: "3000": ${amountRule}`],
    ['no amount', withAmount(undefined), `from.0.amount: missing: ${amountRule}`],
    ['nobody to take from', { ...good, from: [] }, 'from: 0 accounts: must be 1 to 20'],
    ['nobody to give to', { ...good, to: [] }, 'to: 0 accounts: must be 1 to 20'],
    ['21 accounts', { ...good, from: many(21, 1) }, 'from: 21 accounts: must be 1 to 20'],
    ['no list', { ...good, from: 'alice' }, 'from: "alice": must be a list of banks, accounts and amounts'],
    ['what is no account', { ...good, to: ['carol'] }, 'to.0: "carol": must be a bank, an account and an amount'],
    ['no id', { ...good, id: undefined }, `id: missing: ${idRule}`],
    ['an id that could not be one', { ...good, id: '-1' }, `id: "-1": ${idRule}`],
    ['a field that nobody knows', { ...good, currency: 'eur' }, 'Unrecognized key: "currency"'],
  ];
  for (const [what, given, line] of refused) {
    it(`refuses ${what}, in one line`, () => {
      assert.throws(() => parse(given), { name: 'InvalidInput', message: line });
    });
  }

  it('names every rule that is broken', () => {
    const given = {
      ...good,
      from: [
        { ...alice, amount: 0 },
        { ...bob, bank: 'b' },
      ],
    };
    assert.throws(
      () => parse(given),
      ({ issues }: InvalidInput) => issues.length === 2,
    );
  });

  it('is one for each scheme, and an id is one transfer in all of them', () => {
    assert.equal(transferSagaTransaction.gid(good), 'transfer-t1');
    assert.equal(transferTccTransaction.gid(good), 'transfer-t1');
    assert.deepEqual([transferSagaTransaction.scheme, transferTccTransaction.scheme], ['saga', 'tcc']);
  });

  it('is shown in one line, of many accounts the first three', () => {
    assert.equal(
      transferTccTransaction.summary(good),
      'transfer t1: from bank_a:alice 30.00, bank_b:bob 50.00 to bank_c:carol 80.00',
    );
    assert.match(
      transferTccTransaction.summary({ ...good, from: many(20, 1) }),
      /from bank_a:a0 0\.01, bank_a:a1 0\.01, bank_a:a2 0\.01 and 17 more to/,
    );
  });
});
