import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { runWithin, startProgram } from './support.js';

const { version: packageVersion } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

/** Nobody listens there: what is refused is refused before a server is asked. */
const NOWHERE = { TEMPORAL_ADDRESS: '127.0.0.1:1' };

describe('order place', function () {
  this.timeout(60_000);

  const refused: [string, string[], RegExp[]][] = [
    ['no order at all', [], [/give --file FILE or --order JSON/]],
    ['both', ['--order', '{}', '--file', 'x'], [/cannot be used with option '--order/]],
    ['no JSON', ['--order', '{orderId'], [/--order is no JSON/]],
    ['no object', ['--order', 'null'], [/expected object/]],
    [
      'wrong fields',
      ['--order', '{"orderId":"a b","customerId":"c1","units":0,"amount":1.5}'],
      [
        /^orderId: "a b": must be 1 to 64 /,
        /^units: 0: must be a whole number from 1 to 1000000$/,
        /^amount: 1.5: must be a whole number from 0 to 2000000000$/,
      ],
    ],
    ['missing fields', ['--order', '{"orderId":"a","units":1,"amount":1}'], [/^customerId: missing: /]],
    ['unknown fields', ['--order', '{"orderId":"a","customerId":"c","units":1,"amount":1,"colour":1}'], [/colour/]],
    ['an unknown scheme', ['--order', '{}', '--scheme', 'hope'], [/Allowed choices are saga, tcc/]],
    [
      'a sequence by TCC, where all is tried at once',
      ['--scheme', 'tcc', '--stock-first', '--order', '{"orderId":"a","customerId":"c","units":1,"amount":1}'],
      [/^sequence: "stock-first": is for the scheme saga: leave it out$/],
    ],
    [
      'an announcement by TCC, which is made before the order stands',
      ['--scheme', 'tcc', '--announce', '--order', '{"orderId":"a","customerId":"c","units":1,"amount":1}'],
      [/^announce: true: is for the scheme saga: leave it out$/],
    ],
    ['an unknown lane', ['--order', '{}', '--lane', 'fast'], [/Allowed choices are durable, lean, grouped/]],
    ['a wrong deadline', ['--order', '{}', '--deadline', 'soon'], [/give a duration such as '90s'/]],
    ['too much concurrency', ['--file', 'x', '--concurrency', '201'], [/give a whole number from 1 to 200/]],
    ['no such file', ['--file', 'no.csv'], [/^no\.csv: there is no such file/]],
    ['an unknown option', ['--colour', 'red'], [/unknown option '--colour'/]],
  ];
  for (const [what, args, lines] of refused) {
    it(`refuses ${what}: exit code 2, a line for each thing that is wrong, without asking a server`, async () => {
      const { code, stdout, stderr } = await runWithin(['order', 'place', ...args], NOWHERE);
      assert.deepEqual([code, stdout], [2, '']);
      assert.equal(stderr.length, lines.length, stderr.join('\n'));
      lines.forEach((line, index) => {
        assert.match(stderr[index] ?? '', line);
      });
    });
  }
});

describe('every command', function () {
  this.timeout(60_000);

  const commands = [
    [],
    ['order'],
    ['order', 'place'],
    ['order', 'show'],
    ['tx', 'list'],
    ['tx', 'show'],
    ['books'],
    ['shop', 'open'],
  ];
  for (const command of commands) {
    it(`has help: ${['backstitch', ...command].join(' ')} --help`, async () => {
      const { code, stdout, stderr } = await runWithin([...command, '--help'], NOWHERE);
      assert.deepEqual([code, stderr], [0, []]);
      assert.match(stdout, /Usage: backstitch/);
      assert.match(stdout, /--json/);
    });
  }

  it('tells its version', async () => {
    const { code, stdout } = await startProgram(['--version'], {}).ended;
    assert.deepEqual([code, stdout.trim()], [0, packageVersion]);
  });

  it('without arguments, or of an unknown name, shows how it is used: exit code 2', async () => {
    for (const args of [[], ['order'], ['pay']]) {
      const { code, stdout, stderr } = await runWithin(args, NOWHERE);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr.join('\n'), /Usage: backstitch|unknown command 'pay'/);
    }
  });

  it('with a wrong setting says which', async () => {
    const { code, stderr } = await runWithin(['books'], { ...NOWHERE, TEMPORAL_UI_ADDRESS: 'nonsense' });
    assert.deepEqual([code, stderr], [2, ['TEMPORAL_UI_ADDRESS is "nonsense": give an http or https address']]);
  });
});
