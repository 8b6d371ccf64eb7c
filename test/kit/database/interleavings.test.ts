import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import { createGuard, guardMigrations, migrate, pgDatabase, type Guard } from '../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';
import { answerOf, operation, Stage, type ActorKind, type Outcome } from './support/interleave.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 80);

const orders = [
  ['action', 'undo'],
  ['refused action', 'undo'],
  ['action', 'refused action'],
  ['action', 'settle'],
  ['refused action', 'settle'],
  ['undo', 'settle'],
] as const satisfies ActorKind[][];
const atOnce = [
  ['action at once', 'undo'],
  ['refused action at once', 'undo'],
  ['action at once', 'action'],
  ['action at once', 'action at once'],
  ['action at once', 'refused action'],
  ['action', 'refused action at once'],
  ['action at once', 'refused action at once'],
  ['action at once', 'settle'],
  ['refused action at once', 'settle'],
  ['action', 'undo at once'],
  ['refused action', 'undo at once'],
  ['action at once', 'undo at once'],
  ['undo', 'undo at once'],
  ['undo at once', 'undo at once'],
  ['undo at once', 'settle'],
] as const satisfies ActorKind[][];

for (const [title, flights, combinations] of [
  ['under every order of statements', false, orders],
  ['under every order of flights', true, [...orders, ...atOnce]],
] as const)
  describe(`the guard, ${title}`, function () {
    this.timeout(600_000);
    let database: TestDatabase;
    let pool: pg.Pool;
    let guard: Guard;
    let stage: Stage;

    before(async () => {
      database = await testDatabase('interleavings');
      pool = new pg.Pool({ connectionString: database.url, max: 2 });
      await migrate(pgDatabase(pool), 'guard', guardMigrations);
      guard = createGuard(pgDatabase(pool));
      stage = await Stage.open(database.url, { flights });
    });
    after(async () => {
      await stage.close();
      await pool.end();
      await database.drop();
    });

    /** The promises of the guard, whatever happened. */
    async function check(outcome: Outcome): Promise<void> {
      const { gid, answers, net, first, second } = outcome;
      const seen = JSON.stringify(outcome);
      assert.deepEqual(
        answers.filter(({ answer }) => answer.kind === 'error'),
        [],
        seen,
      );
      const applied = first?.outcome === 'applied' ? 1 : 0;
      const undone = second?.outcome === 'applied' ? 1 : 0;
      assert.equal(net, applied - undone, `the effect is what the guard says: ${seen}`);
      assert.ok(net === 0 || net === 1, seen);

      const undos = answers.filter(({ kind }) => kind.startsWith('undo'));
      const actions = answers.filter(({ kind }) => !kind.startsWith('undo'));
      const settled = answers.filter(({ kind }) => kind === 'settle').map(({ answer }) => answer.kind);
      if (undos.some(({ answer }) => answer.kind === 'returned')) assert.equal(net, 0, `an undo answered: ${seen}`);
      for (const { answer } of actions) {
        if (answer.kind === 'returned') assert.deepEqual(answer.value, first?.result, `not the stored result: ${seen}`);
        if (answer.kind === 'suspended')
          assert.ok(second ?? first?.outcome === 'barred', `suspended by nobody: ${seen}`);
        if (answer.kind === 'undone') assert.deepEqual([answer.value, undone], [first?.result, 1], seen);
      }
      for (const kind of settled) assert.notEqual(kind, 'suspended', seen);
      if (settled.includes('barred')) {
        assert.notEqual(first?.outcome, 'applied', `barred, and yet it was done: ${seen}`);
        assert.ok(!actions.some(({ answer }) => answer.kind === 'returned'), seen);
      }
      for (const { answer } of undos) {
        if (answer.kind === 'returned') assert.deepEqual(answer.value ?? null, second?.result, seen);
        assert.ok(answer.kind === 'returned' || answer.kind === 'crashed', `an undo was refused: ${seen}`);
      }
      const rejections = actions.flatMap(({ answer }) => (answer.kind === 'rejected' ? [answer.message] : []));
      assert.ok(new Set(rejections).size <= 1, `two rejections: ${seen}`);
      if (rejections.length > 0) assert.equal(first?.outcome, 'rejected', seen);

      // One more attempt, late: it is answered as the first that was answered.
      const late = await guard
        .apply(operation(gid, 'action', 'late'), {}, () => Promise.resolve('done late'))
        .then((value) => ({ kind: 'returned' as const, value }), answerOf);
      if (second ?? settled.includes('barred')) assert.equal(late.kind, 'suspended', seen);
      else if (rejections.length > 0) assert.deepEqual(late, { kind: 'rejected', message: rejections[0] }, seen);
      else if (applied === 1) assert.deepEqual(late, { kind: 'returned', value: first?.result }, seen);
    }

    /** Every order there is: each run tells which other choices were open. */
    async function everyOrder(kinds: readonly ActorKind[]): Promise<number> {
      let prefix: number[] = [];
      for (let orders = 1; ; orders++) {
        const taken: number[] = [];
        const outcome = await stage.run(kinds, {
          choose: (step) => {
            const choice = prefix[step] ?? 0;
            taken.push(choice);
            return choice;
          },
        });
        await check(outcome);
        let last = taken.length - 1;
        while (last >= 0 && (taken[last] ?? 0) + 1 >= (outcome.choices[last] ?? 0)) last--;
        if (last < 0) return orders;
        prefix = [...taken.slice(0, last), (taken[last] ?? 0) + 1];
      }
    }

    for (const kinds of combinations) {
      it(`keeps its promises in every order of one ${kinds.join(' and one ')}`, async () => {
        const orders = await everyOrder(kinds);
        assert.ok(orders > (flights ? 5 : 20), `${orders} orders`);
      });
    }

    it('keeps its promises with up to five actors in random order, one of which may die at any statement', async () => {
      const kind = fc.constantFrom<ActorKind>(...new Set(combinations.flat()));
      await fc.assert(
        fc.asyncProperty(
          fc.array(kind, { minLength: 2, maxLength: 5 }),
          fc.array(fc.nat({ max: 59 }), { minLength: 40, maxLength: 40 }),
          fc.option(fc.record({ step: fc.nat({ max: 20 }), actor: fc.nat({ max: 4 }) }), { nil: undefined }),
          async (kinds, picks, crash) => {
            const choose = (step: number, runnable: number) => (picks[step % picks.length] ?? 0) % runnable;
            await check(await stage.run(kinds, { choose, crash }));
          },
        ),
        { numRuns: RUNS },
      );
    });
  });
