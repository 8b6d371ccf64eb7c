import assert from 'node:assert/strict';
import { differences } from '../../bench/books.js';
import { parseStat, treeSeconds } from '../../bench/cpu.js';
import { runLoad } from '../../bench/load.js';
import { orderOf, turnsOf } from '../../bench/measure.js';
import { effectsOf, ordersOf } from '../../bench/workload.js';

describe("the benchmark's books", () => {
  const planned = ordersOf('t', 10);
  const effects = effectsOf(planned);
  const before = new Map([['wallet of customer-0', 5_000]]);
  const after = (change: (accounts: Map<string, number>) => void) => {
    const accounts = new Map(before);
    for (const [account, value] of effects) accounts.set(account, (accounts.get(account) ?? 0) + value);
    change(accounts);
    return accounts;
  };

  it('balance when every order had its effect once, or none if it was undone', () => {
    assert.deepEqual(
      differences(
        before,
        after(() => undefined),
        effects,
      ),
      [],
    );
    assert.equal(effects.get('orders created'), 9);
    assert.equal(effects.get('orders cancelled'), 1);
  });

  it('name an account that an effect reached twice, or not at all', () => {
    const twice = after((accounts) => accounts.set('wallet of customer-0', 3_000));
    assert.deepEqual(differences(before, twice, effects), ['wallet of customer-0 is 3000, not 4000']);
    const lost = after((accounts) => accounts.delete('orders cancelled'));
    assert.deepEqual(differences(before, lost, effects), ['orders cancelled is 0, not 1']);
  });

  it('plan a tenth of the orders to be undone, and none with the same id', () => {
    const many = ordersOf('t', 1_000);
    assert.equal(many.filter(({ undone }) => undone).length, 100);
    assert.equal(new Set(many.map(({ order }) => order.orderId)).size, 1_000);
  });
});

describe("the benchmark's load", () => {
  it('never runs more at a time than there are clients, and runs each order once', async () => {
    let running = 0;
    let most = 0;
    const seen: number[] = [];
    const items = Array.from({ length: 40 }, (_, index) => index);
    const { latenciesMs } = await runLoad(items, 5, async (item) => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      seen.push(item);
      running--;
    });
    assert.equal(most, 5);
    assert.equal(latenciesMs.length, 40);
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      items,
    );
  });

  it('ends with the first error', async () => {
    let calls = 0;
    const failing = runLoad([1, 2, 3, 4, 5, 6], 2, async (item) => {
      calls++;
      await new Promise(setImmediate);
      if (item === 2) throw new Error('lost');
    });
    await assert.rejects(failing, /lost/);
    assert.ok(calls < 6);
  });

  it('begins each round with another system, and never has one always follow the same', () => {
    const systems = ['a', 'b', 'c', 'd', 'e'];
    const order = Array.from({ length: 5 }, (_, round) => orderOf(systems, round));
    for (const round of order) assert.deepEqual(round.toSorted(), systems);
    const beforeD = new Set(order.map((round) => round[round.indexOf('d') - 1]));
    assert.ok(beforeD.size > 1);
  });

  it('has each system come before and after each other in every round', () => {
    const systems = ['a', 'b', 'c'];
    for (const round of [0, 1, 2, 3]) {
      const turns = turnsOf(systems, round);
      for (const one of systems) {
        for (const other of systems.filter((each) => each !== one)) {
          assert.ok(turns.indexOf(one) < turns.lastIndexOf(other), `${one} before ${other}`);
        }
      }
    }
  });
});

describe("the benchmark's CPU time", () => {
  const line = (pid: number, parent: number, times: string) =>
    `${pid} (post (gres) x) S ${parent} 1 1 0 -1 4194304 1 2 3 4 ${times} 20 0 1 0 100 0 0`;

  it('reads a line of /proc, whatever the name of the program', () => {
    assert.deepEqual(parseStat(line(12, 7, '100 50 25 25')), { pid: 12, parent: 7, seconds: 2 });
  });

  it('counts a server with all that it started, alive or ended, and nothing else', () => {
    const processes = [
      line(1, 0, '900 0 0 0'),
      line(10, 1, '100 0 0 100'),
      line(11, 10, '200 0 0 0'),
      line(20, 1, '5 0 0 0'),
    ];
    assert.equal(treeSeconds(processes.map(parseStat), [10]), 4);
    assert.equal(treeSeconds(processes.map(parseStat), [10, 20]), 4.05);
  });
});
