import assert from 'node:assert/strict';
import { measureSchemes } from '../../../bench/schemes/measure.js';
import { parseSchemesOptions } from '../../../bench/schemes/options.js';
import { names } from '../../../bench/schemes/schemes.js';
import { serviceNames, type ServiceName } from '../../../src/activities/index.js';
import { Program } from '../../support/program.js';
import { temporalAddress } from '../../support/servers.js';
import { benchDatabases, type BenchTestDatabases } from '../support/databases.js';

describe('the figures of all schemes', function () {
  this.timeout(180_000);
  let made: BenchTestDatabases<ServiceName>;
  before(async () => {
    made = await benchDatabases(serviceNames);
  });
  after(() => made.drop());

  it('are there for each of them in each round, and the books balance', async () => {
    const address = await temporalAddress();
    const temporal = { address, namespace: 'default', connection: { address }, taskQueue: 'schemes', ui: undefined };
    const databaseUrls = Object.fromEntries(serviceNames.map((name) => [name, made.url(name)]));
    const settings = { databaseUrls, poolSize: 3, faults: undefined };
    const options = { alone: 1, loaded: 4, clients: 2, rounds: 2 };
    const told: string[] = [];
    const found = await measureSchemes(temporal, settings, made.databases, options, (line) => told.push(line));
    const rounds = told.filter((line) => line.startsWith('round '));
    assert.equal(rounds.length, 2 * names.length, told.join('\n'));
    for (const name of names) {
      assert.equal(found[name].length, 2, name);
      for (const { aloneMs, perSecond } of found[name]) {
        assert.ok(aloneMs > 0, name);
        if (name === 'message, until it is sent') assert.equal(perSecond, null);
        else assert.ok((perSecond ?? 0) > 0, name);
      }
    }
  });
});

describe('the arguments of the benchmark of all schemes', function () {
  this.timeout(60_000);

  it('have defaults, and are few with --quick', () => {
    assert.deepEqual(parseSchemesOptions([]), { alone: 50, loaded: 500, clients: 40, rounds: 3, json: false });
    assert.equal(parseSchemesOptions(['--quick']).rounds, 1);
  });

  it('come after the word schemes; a wrong one is refused before anything is started', async () => {
    const bench = new Program('bench/main.ts', ['schemes', '--rounds', '0']);
    assert.equal(await bench.ended, 2, bench.stderr);
    assert.match(bench.stderr, /'--rounds <n>' argument '0' is invalid/);
  });
});
