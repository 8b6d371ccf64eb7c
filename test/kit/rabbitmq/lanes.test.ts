import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Lanes, type Batch } from '../../../src/kit/rabbitmq/lanes.js';

interface Item {
  readonly key: string | undefined;
  readonly number: number;
}

type Step =
  | { readonly do: 'add'; readonly key: number }
  | { readonly do: 'take'; readonly most: number }
  /** How many of each lane's are done, and what becomes of a lane of which not all are. */
  | { readonly do: 'end'; readonly which: number; readonly done: number; readonly fails: boolean }
  | { readonly do: 'free'; readonly which: number };

describe('the lanes of a consumer', () => {
  it('give out each item once, those of one key in order and one batch at a time, and none of a lane that is held', () => {
    const step = fc.oneof(
      fc.record<Step>({ do: fc.constant('add'), key: fc.nat({ max: 4 }) }),
      fc.record<Step>({ do: fc.constant('take'), most: fc.integer({ min: 1, max: 5 }) }),
      fc.record<Step>({ do: fc.constant('end'), which: fc.nat(), done: fc.nat({ max: 5 }), fails: fc.boolean() }),
      fc.record<Step>({ do: fc.constant('free'), which: fc.nat() }),
    ) as fc.Arbitrary<Step>;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const lanes = new Lanes<Item>();
        const out: Batch<Item>[] = [];
        const held = new Set<Batch<Item>[number]['lane']>();
        const done: Item[] = [];
        let number = 0;

        const end = (batch: Batch<Item>, count: number, fails: boolean) => {
          for (const lane of new Set(batch.map((each) => each.lane))) {
            const items = batch.filter((each) => each.lane === lane).map(({ item }) => item);
            for (const item of items.slice(0, count)) {
              assert.equal(lane.items[0], item);
              lanes.shift(lane);
              done.push(item);
            }
            if (count >= items.length) lanes.free(lane);
            else if (fails) {
              lane.tries++;
              lanes.hold(lane);
              held.add(lane);
            } else lanes.free(lane);
          }
        };
        const take = (most: number) => {
          const batch = lanes.take(most);
          assert.ok(batch.length <= most);
          const busy = new Set([...out.flat().map(({ lane }) => lane), ...held]);
          for (const { lane } of batch) assert.ok(!busy.has(lane), 'a lane that is busy or held');
          const tried = batch.filter(({ lane }) => lane.tries > 0);
          if (tried.length > 0) assert.equal(batch.length, 1, 'what has failed goes alone');
          if (batch.length > 0) out.push(batch);
          return batch.length;
        };
        const free = (which: number) => {
          const lane = [...held][which % held.size];
          if (lane === undefined) return;
          held.delete(lane);
          lanes.free(lane);
        };

        for (const each of steps) {
          if (each.do === 'add') {
            const key = each.key === 0 ? undefined : `key-${each.key}`;
            lanes.add(key, { key, number: number++ });
          } else if (each.do === 'take') take(each.most);
          else if (each.do === 'free') free(each.which);
          else if (out.length > 0) {
            const [batch = []] = out.splice(each.which % out.length, 1);
            end(batch, each.done, each.fails);
          }
        }
        // In the end all of them come out.
        for (const batch of out.splice(0)) end(batch, batch.length, false);
        while (held.size > 0) free(0);
        while (take(5) > 0) for (const batch of out.splice(0)) end(batch, batch.length, false);
        assert.equal(lanes.held, 0);
        assert.equal(done.length, number);
        for (const key of new Set(done.map((item) => item.key))) {
          if (key === undefined) continue;
          const own = done.filter((item) => item.key === key).map((item) => item.number);
          assert.deepEqual(
            own,
            own.toSorted((a, b) => a - b),
          );
        }
      }),
      { numRuns: 500 },
    );
  });
});
