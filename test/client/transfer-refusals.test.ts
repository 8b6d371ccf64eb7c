import assert from 'node:assert/strict';
import { runWithin } from './support.js';

const MAX = Number.MAX_SAFE_INTEGER;
/** Nobody listens there: what is refused is refused before a server is asked. */
const NOWHERE = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
const usual = ['--from', 'bank_a:alice:3000', 'bank_b:bob:5000', '--to', 'bank_c:carol'];

describe('the command that transfers', function () {
  this.timeout(60_000);

  const amountRule = `amount must be a whole number of cents from 1 to ${MAX}`;
  const from = (...legs: string[]) => ['--from', ...legs, '--to', 'bank_c:carol'];
  const refused: [what: string, args: string[], lines: (string | RegExp)[]][] = [
    [
      'unequal sums',
      ['--from', 'bank_a:alice:5', '--to', 'bank_c:carol:4'],
      ['from and to: 5 and 4 cents: must have the same sum'],
    ],
    [
      'an account twice',
      from('bank_a:alice:5', 'bank_a:alice:6'),
      ['from.1.account: "alice": must be named once: bank_a:alice is from.0 too'],
    ],
    [
      'an account on both sides',
      from('bank_c:carol:5'),
      ['to.0.account: "carol": must be named once: bank_c:carol is from.0 too'],
    ],
    [
      'an unknown bank',
      from('bank_z:alice:5'),
      ['--from: "bank_z:alice:5": bank must be one of bank_a, bank_b, bank_c'],
    ],
    [
      'no account',
      from('bank_a::5'),
      [/^--from: "bank_a::5": must be BANK:ACCOUNT:AMOUNT, the amount in cents, such as/],
    ],
    [
      'a leg that is none',
      from('alice'),
      [/^--from: "alice": must be BANK:ACCOUNT:AMOUNT, the amount in cents, such as/],
    ],
    ['a leg that is too much', from('bank_a:alice:5:6'), [/^--from: "bank_a:alice:5:6": must be BANK:ACCOUNT:AMOUNT/]],
    ['a source without an amount', from('bank_a:alice'), [/^--from: "bank_a:alice": must name an amount, as /]],
    [
      'several targets without an amount',
      ['--from', 'bank_a:alice:5', '--to', 'bank_b:bob', 'bank_c:carol'],
      [
        /^--to: "bank_b:bob": must name an amount, as .*: only a single --to gets the sum/,
        /^--to: "bank_c:carol": must name/,
      ],
    ],
    ['an amount of 0', from('bank_a:alice:0'), [`--from: "bank_a:alice:0": ${amountRule}`]],
    ['a negative amount', from('bank_a:alice:-5'), [`--from: "bank_a:alice:-5": ${amountRule}`]],
    ['a fractional amount', from('bank_a:alice:0.5'), [`--from: "bank_a:alice:0.5": ${amountRule}`]],
    ['an amount of 2^53', from(`bank_a:alice:${MAX + 1}`), [`--from: "bank_a:alice:${MAX + 1}": ${amountRule}`]],
    ['an amount that is no number', from('bank_a:alice:1e3'), [`--from: "bank_a:alice:1e3": ${amountRule}`]],
    [
      'sums of 2^53 and more',
      ['--from', `bank_a:alice:${MAX}`, 'bank_b:bob:1', '--to', `bank_c:carol:${MAX}`, 'bank_c:dora:1'],
      ['from and to: 9007199254740992 cents: must be below 2^53 in all'],
    ],
    [
      'too many accounts',
      from(...Array.from({ length: 21 }, (_, n) => `bank_a:a${n}:1`)),
      ['from: 21 accounts: must be 1 to 20'],
    ],
    ['an account that is no name', from('bank_a:no name:5'), [/^--from: "bank_a:no name:5": account must be 1 to 64 /]],
    ['an id that is none', ['--id', 'a b', ...from('bank_a:alice:5')], [/^id: "a b": must be 1 to 64 /]],
    ...[
      '0x10',
      ' 5',
      '5 ',
      '+5',
      '1e3',
      '005x',
      '5n',
      '١',
      '0.9999999999999999999',
      '9007199254740992.0',
      '9'.repeat(30),
    ].map((text): [string, string[], (string | RegExp)[]] => [
      `an amount of '${text}'`,
      from(`bank_a:alice:${text}`),
      [`--from: "bank_a:alice:${text}": ${amountRule}`],
    ]),
    ['an amount of nothing', from('bank_a:alice:'), [/^--from: "bank_a:alice:": must be BANK:ACCOUNT:AMOUNT/]],
    ['no source', ['--to', 'bank_c:carol'], [/required option '--from/]],
    ['no target', ['--from', 'bank_a:alice:5'], [/required option '--to/]],
    ['an unknown lane', [...usual, '--lane', 'fast'], [/Allowed choices are durable, lean, grouped, direct/]],
  ];
  for (const [what, args, lines] of refused) {
    it(`refuses ${what}: exit code 2, a line for each thing that is wrong, without asking a server`, async () => {
      const given = ['transfer', '--scheme', 'tcc', ...args];
      const { code, stdout, stderr } = await runWithin(given, NOWHERE);
      assert.deepEqual([code, stdout], [2, '']);
      assert.equal(stderr.length, lines.length, stderr.join('\n'));
      lines.forEach((line, index) => {
        const found = stderr[index] ?? '';
        if (typeof line === 'string') assert.equal(found, line);
        else assert.match(found, line);
      });
    });
  }

  it('refuses an unknown scheme, and none', async () => {
    const ask = (...args: string[]) => runWithin(['transfer', ...args, ...usual], NOWHERE);
    for (const [args, line] of [
      [['--scheme', 'hope'], /Allowed choices are saga, tcc, 2pc, 3pc, message/],
      [[], /required option '--scheme/],
    ] as const) {
      const { code, stderr } = await ask(...args);
      assert.deepEqual([code, stderr.length], [2, 1]);
      assert.match(stderr[0] ?? '', line);
    }
  });
});
