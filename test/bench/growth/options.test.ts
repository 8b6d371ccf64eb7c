import assert from 'node:assert/strict';
import { growthCommand, parseGrowthOptions } from '../../../bench/growth/options.js';
import { soakCommand } from '../../../bench/soak/options.js';

/** What a command says of wrong arguments; nothing if it takes them. */
function refusal(command: ReturnType<typeof growthCommand> | ReturnType<typeof soakCommand>, args: readonly string[]) {
  const errors: string[] = [];
  const quiet = (text: string) => void errors.push(text);
  command
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

describe("the arguments of the benchmark's growth", () => {
  it('have defaults: every axis and lane, once, on the development server', () => {
    const { axes, lanes, rounds, server, svg } = parseGrowthOptions([]);
    assert.deepEqual(axes, ['steps', 'clients', 'undone']);
    assert.deepEqual(lanes, ['floor+dedup', 'direct', 'grouped', 'lean', 'durable']);
    assert.deepEqual({ rounds, server, svg }, { rounds: 1, server: 'development', svg: undefined });
  });

  it('name axes and lanes in any order', () => {
    const { axes, lanes } = parseGrowthOptions(['--axes', 'undone,steps', '--lanes', 'durable, direct']);
    assert.deepEqual(axes, ['steps', 'undone']);
    assert.deepEqual(lanes, ['direct', 'durable']);
  });

  it('make it small with --quick', () => {
    const { sagas, pause } = parseGrowthOptions(['--quick']);
    assert.ok(sagas <= 10);
    assert.equal(pause, 0);
  });

  for (const [args, reason] of [
    [['--axes', 'steps,weight'], /There is no 'weight'; give steps, clients, undone/],
    [['--lanes', 'fast'], /There is no 'fast'; give floor\+dedup, direct/],
    [['--pool-size', '300'], /whole number from 1 to 25/],
    [['--sagas', '1'], /whole number from 10/],
  ] as const) {
    it(`refuse ${args.join(' ')} and say why`, () => {
      assert.match(refusal(growthCommand(), args), reason);
    });
  }
});

describe("the arguments of the benchmark's soak", () => {
  it('have defaults: 100,000 sagas, 50 clients', () => {
    const { sagas, clients } = soakCommand().parse([], { from: 'user' }).opts();
    assert.deepEqual({ sagas, clients }, { sagas: 100_000, clients: 50 });
  });

  it('are refused where they make no sense', () => {
    assert.match(refusal(soakCommand(), ['--sagas', '5']), /whole number from 10/);
    assert.match(refusal(soakCommand(), ['all']), /too many arguments/);
  });
});
