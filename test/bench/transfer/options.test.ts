import assert from 'node:assert/strict';
import { parseTransferOptions, transferCommand } from '../../../bench/transfer/options.js';
import { schemeNames } from '../../../bench/transfer/schemes.js';
import { Program } from '../../support/program.js';

/** What the command says of wrong arguments; nothing if it takes them. */
function refusal(args: readonly string[]): string {
  const errors: string[] = [];
  const quiet = (text: string) => void errors.push(text);
  const command = transferCommand()
    .exitOverride((error) => {
      throw error;
    })
    .configureOutput({ writeErr: quiet, writeOut: quiet });
  try {
    command.parse(args, { from: 'user' });
    return '';
  } catch {
    return errors.join('');
  }
}

describe('the arguments of the comparison of schemes', function () {
  this.timeout(60_000);

  it('have defaults: every scheme and contention, a round, and a stop of 30 s under each contention', () => {
    const { schemes, contentions, rounds, stop, json } = parseTransferOptions([]);
    assert.deepEqual(schemes, schemeNames);
    assert.deepEqual(contentions, [0, 10, 50]);
    assert.deepEqual({ rounds, stop, json }, { rounds: 1, stop: 30, json: false });
  });

  it('name schemes and contentions in any order', () => {
    const { schemes, contentions } = parseTransferOptions(['--schemes', '2pc, saga', '--contention', '50,0']);
    assert.deepEqual(schemes, ['saga', '2pc']);
    assert.deepEqual(contentions, [0, 50]);
  });

  it('come after the word transfer; a wrong one is refused before anything is started', async () => {
    const bench = new Program('bench/main.ts', ['transfer', '--clients', '200']);
    assert.equal(await bench.ended, 2);
    assert.match(bench.stderr, /clients.*whole number from 1 to 30/s);
  });

  it('make it small with --quick', () => {
    const { transfers, stop } = parseTransferOptions(['--quick']);
    assert.ok(transfers <= 10 && stop <= 3);
  });

  for (const [args, reason] of [
    [['--schemes', 'saga,hope'], /There is no 'hope'; give saga, tcc, 2pc/],
    [['--contention', '20'], /There is no '20'; give 0, 10, 50/],
    [['--clients', '200'], /clients.*whole number from 1 to 30/s],
    [['--stop', 'soon'], /stop.*whole number from 0/s],
    [['all'], /too many arguments/],
  ] as const) {
    it(`refuse ${args.join(' ')} and say why`, () => {
      assert.match(refusal(args), reason);
    });
  }
});
