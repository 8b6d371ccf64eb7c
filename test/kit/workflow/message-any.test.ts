import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MessageWorld, type Ended, type Plan } from './support/message-world.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 2_000);

const producers = fc.record({
  diesAt: fc.option(fc.nat(5), { nil: undefined }),
  local: fc.constantFrom('ok', 'ok', 'refused', 'fails', 'lost'),
});
const plans: fc.Arbitrary<Plan> = fc.record({
  producers: fc.array(producers, { minLength: 1, maxLength: 2 }),
  mistaken: fc.array(fc.constantFrom('confirm', 'withdraw'), { maxLength: 2 }),
  cancels: fc.boolean(),
  ends: fc.boolean(),
  checks: fc.array(fc.constantFrom('ok', 'fails', 'lost'), { maxLength: 5 }),
  deliveries: fc.array(fc.constantFrom('ok', 'fails', 'lost', 'refused'), { maxLength: 6 }),
  turns: fc.array(fc.nat(11), { maxLength: 60 }),
});

describe('a transactional message, in any order of its producers, checks, subscribers and their deaths', function () {
  this.timeout(120_000);

  it('ends with the local effect there and every subscriber having it once, or with neither, for good', async () => {
    const seen = { committed: 0, compensated: 0, 'never prepared': 0 };
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const ended = await new MessageWorld(plan).play();
        const { state, row, applied, had, heard } = ended;
        const how = () => told(ended);
        assert.ok(state in seen, how());
        seen[state as keyof typeof seen]++;
        if (state === 'committed') {
          assert.deepEqual({ row, applied, had }, { row: 'applied', applied: 1, had: { f: 1, g: 1 } }, how());
        } else if (state === 'compensated') {
          assert.deepEqual({ applied, had }, { applied: 0, had: {} }, how());
          // Nobody can ever do it.
          assert.ok(row === 'barred' || row === 'rejected', how());
        } else assert.deepEqual({ row, applied, had }, { row: undefined, applied: 0, had: {} }, how());
        // What a producer hears is what became of it.
        for (const each of heard) assert.equal(each, state === 'committed' ? 'sent' : 'withdrawn', how());
      }),
      { numRuns: RUNS },
    );
    assert.ok(seen.committed > RUNS / 20 && seen.compensated > RUNS / 20, JSON.stringify(seen));
  });
});

function told({ state, row, applied, had, heard, trace }: Ended): string {
  return `${JSON.stringify({ state, row, applied, had, heard })}: ${trace.join('; ')}`;
}
