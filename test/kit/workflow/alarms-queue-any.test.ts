import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AlarmRules, NotDelivered } from '../../../src/kit/workflow/alarms.js';
import { Delivery, HOUR, MINUTE, sum, told, type Answer } from './support/delivery.js';

/** One thing that happens. */
type Happening =
  | { readonly raise: number; readonly kind: string }
  | { readonly answer: Answer; readonly retryAfterMs?: number }
  | { readonly pass: number }
  | { readonly carryOver: true };

const happenings: fc.Arbitrary<Happening[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ raise: fc.nat(60), kind: fc.constantFrom('stuck', 'orphan', 'drift') }) },
    {
      weight: 4,
      arbitrary: fc.record(
        { answer: fc.constantFrom<Answer>('ok', 'fail', 'refuse'), retryAfterMs: fc.nat(10 * MINUTE) },
        { requiredKeys: ['answer'] },
      ),
    },
    { weight: 3, arbitrary: fc.record({ pass: fc.constantFrom(1, 500, 5_000, MINUTE, 10 * MINUTE, HOUR) }) },
    { weight: 1, arbitrary: fc.constant({ carryOver: true } as const) },
  ),
  { maxLength: 120 },
);

const anyRules: fc.Arbitrary<AlarmRules> = fc.record({
  rate: fc.record({ most: fc.integer({ min: 1, max: 8 }), windowMs: fc.constantFrom(1_000, MINUTE, HOUR) }),
  queue: fc.integer({ min: 1, max: 12 }),
  giveUpMs: fc.constantFrom(MINUTE, HOUR, 24 * HOUR),
});

describe('any alarms, whatever becomes of their delivery', function () {
  this.timeout(60_000);

  /** What the rule of the rate says, by itself. */
  class Oracle {
    readonly #windows = new Map<string, { from: number; count: number }>();
    readonly #rules: AlarmRules;
    constructor(rules: AlarmRules) {
      this.#rules = rules;
    }
    /** How many of this kind may have been taken in the window that is open now. */
    mayTake(kind: string, now: number): boolean {
      const { most = 0, windowMs = 0 } = this.#rules.rate ?? {};
      const open = this.#windows.get(kind);
      return open === undefined || now >= open.from + windowMs || open.count < most;
    }
    took(kind: string, now: number): void {
      const { windowMs = 0 } = this.#rules.rate ?? {};
      const open = this.#windows.get(kind);
      if (open !== undefined && now < open.from + windowMs) open.count++;
      else this.#windows.set(kind, { from: now, count: 1 });
    }
  }

  it('arrive once, or are refused, or are told in a summary; at the end nothing is left to do', () => {
    fc.assert(
      fc.property(happenings, anyRules, (what, rules) => {
        const delivery = new Delivery(rules);
        const oracle = new Oracle(rules);
        const raised = new Set<string>();
        for (const each of what) {
          if ('raise' in each) {
            const id = `${each.kind}-${each.raise}`;
            const before = delivery.queue.view();
            delivery.raise(id, each.kind);
            const { counts } = delivery.queue.view();
            const taken = counts.repeated + counts.overTheRate + counts.queueFull;
            const wasTaken = taken === before.counts.repeated + before.counts.overTheRate + before.counts.queueFull;
            if (wasTaken) {
              assert.ok(oracle.mayTake(each.kind, delivery.now), 'no more than the rate allows');
              oracle.took(each.kind, delivery.now);
            } else if (counts.overTheRate > before.counts.overTheRate) {
              assert.ok(!oracle.mayTake(each.kind, delivery.now), 'all that the rate allows');
            }
            assert.equal(counts.repeated > before.counts.repeated, raised.has(id), 'repetitions, and only those');
            raised.add(id);
          } else if ('answer' in each) delivery.answer(each.answer, each.retryAfterMs);
          else if ('pass' in each) {
            delivery.now += each.pass;
            delivery.pump();
          } else if (delivery.queue.under === 0) delivery.carryOver();

          assert.ok(delivery.under.length <= 5);
          const { waiting, counts } = delivery.queue.view();
          const settled = counts.delivered + counts.refused + counts.givenUp + counts.overTheRate + counts.queueFull;
          assert.ok(waiting <= (rules.queue ?? 0) + 12, 'bounded, but for a summary for each reason and kind');
          assert.ok(settled <= raised.size && settled + waiting >= raised.size, 'each is somewhere');
          if (waiting > delivery.under.length && delivery.under.length === 0) {
            assert.ok(delivery.queue.wakeAt() !== undefined, 'who waits is not forgotten');
          }
        }

        // The receiver is well from now on, and gets one more.
        delivery.run(delivery.now + HOUR, () => 'ok');
        delivery.raise('last', 'last');
        delivery.run(delivery.now + HOUR, () => 'ok');
        const { waiting, counts, untold } = delivery.queue.view();
        assert.deepEqual([waiting, untold, delivery.queue.wakeAt()], [0, [], undefined]);
        assert.equal(new Set(delivery.ids()).size, delivery.ids().length, 'none arrives twice');
        const toldOf = (reason: NotDelivered) => sum(delivery.summaries(reason));
        const lost = sum(told(delivery.refused));
        assert.equal(
          toldOf('over-the-rate') + toldOf('queue-full') + toldOf('given-up') + toldOf('refused') + lost,
          // What a summary told that was given up itself is told again, as given up.
          counts.overTheRate + counts.queueFull + counts.givenUp + counts.refused,
        );
        assert.equal(
          delivery.ids().length + counts.refused + counts.givenUp + counts.overTheRate + counts.queueFull,
          raised.size + 1,
        );
      }),
      { numRuns: 2_000 },
    );
  });
});
