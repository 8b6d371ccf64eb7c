import assert from 'node:assert/strict';
import { benchCommand } from '../../bench/options.js';
import { systemNames } from '../../bench/report.js';

/** Parses as the program does, with errors thrown and nothing printed. */
function parse(...args: string[]) {
  const errors: string[] = [];
  const command = benchCommand()
    .exitOverride((error) => {
      throw error;
    })
    .configureOutput({ writeErr: (text) => errors.push(text), writeOut: (text) => errors.push(text) });
  try {
    return { options: command.parse(args, { from: 'user' }).opts(), errors };
  } catch {
    return { options: undefined, errors };
  }
}

describe("the benchmark's arguments", () => {
  it('have defaults: five rounds of every system, bars on', () => {
    const { options } = parse();
    assert.equal(options?.rounds, 5);
    assert.equal(options.clients, 50);
    assert.deepEqual(options.systems, [...systemNames]);
    assert.equal(options.bars, true);
    assert.equal(options.json, false);
    assert.equal(options.server, 'development');
  });

  it('name the server', () => {
    assert.equal(parse('--server', 'production').options?.server, 'production');
  });

  it('name systems in any order; they are run in one', () => {
    assert.deepEqual(parse('--systems', 'lean, hand-written').options?.systems, ['hand-written', 'lean']);
  });

  for (const [args, reason] of [
    [['--rounds', '0'], /rounds.*whole number from 1 to 100/s],
    [['--sagas', 'many'], /sagas.*whole number from 10/s],
    [['--clients', '2.5'], /clients.*whole number/s],
    [['--systems', 'lean,fast'], /There is no 'fast'; give floor, .*hand-written, durable, lean/],
    [['--server', 'cassandra'], /server.*Allowed choices are development, production/],
    [['--no-such'], /unknown option '--no-such'/],
    [['extra'], /too many arguments/],
  ] as const) {
    it(`refuse ${args.join(' ')} and say why`, () => {
      const { options, errors } = parse(...args);
      assert.equal(options, undefined);
      assert.match(errors.join(''), reason);
    });
  }
});
