import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import {
  createGuard,
  guardMigrations,
  migrate,
  pgDatabase,
  Rejection,
  type Database,
  type Operation,
  type Sql,
} from '../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';
import { answerOf, operation, Stage, type Answer, type Outcome, type Part, type Play } from './support/interleave.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 80);

type Kind = 'try' | 'try at once' | 'refused try' | 'settle' | 'confirm' | 'cancel' | 'cancel at once';

/** What the ledger says: a try holds 1, a cancel gives it back, a confirm makes 10 of it. */
const HELD = 1;
const MOVED = 10;

function asked(gid: string, op: 'try' | 'confirm' | 'cancel', who: string): Operation {
  return { ...operation(gid, 'action', who), op, scheme: 'tcc', function: `bank.withdraw.${op}` };
}

const entering = (amount: number) => (sql: Sql, gid: string) =>
  sql('insert into ledger (gid, amount) values ($1, $2)', [gid, amount]);
const hold = entering(HELD);
const atOnce = (amount: number, word: string) => ({
  with: `entered as (insert into ledger (gid, amount) values ($1, ${amount}) returning amount)`,
  text: `select $2::text as "${word}" from entered`,
});
const HOLD_AT_ONCE = atOnce(HELD, 'heldBy');
const RELEASE_AT_ONCE = atOnce(-HELD, 'releasedBy');

const play: Play<Kind> = (kind, { gid, name, db, gate }) => {
  const guard = createGuard(db, { probe: (point) => (point === 'committed' ? gate() : Promise.resolve()) });
  if (kind === 'confirm') {
    return guard.confirm(asked(gid, 'confirm', name), {}, async (sql) => {
      await entering(MOVED - HELD)(sql, gid);
      return { movedBy: name };
    });
  }
  if (kind === 'cancel' || kind === 'cancel at once') {
    const release = async (sql: Sql) => {
      await entering(-HELD)(sql, gid);
      return { releasedBy: name };
    };
    const once = () => ({ statement: RELEASE_AT_ONCE, values: [gid, name] });
    return guard.undo(asked(gid, 'cancel', name), {}, release, kind === 'cancel' ? undefined : once);
  }
  const trying = asked(gid, 'try', name);
  return guard.apply(
    kind === 'settle' ? { ...trying, settle: true } : trying,
    {},
    async (sql) => {
      if (kind === 'refused try') throw new Rejection('Refused', `refused by ${name}`);
      await hold(sql, gid);
      return { heldBy: name };
    },
    kind === 'try at once' ? () => ({ statement: HOLD_AT_ONCE, values: [gid, name] }) : undefined,
  );
};

for (const [title, flights] of [
  ['under every order of statements', false],
  ['under every order of flights', true],
] as const)
  describe(`try, confirm and cancel of one branch, ${title}`, function () {
    this.timeout(600_000);
    let database: TestDatabase;
    let pool: pg.Pool;
    let db: Database;
    let stage: Stage;

    before(async () => {
      database = await testDatabase('tcc_orders');
      pool = new pg.Pool({ connectionString: database.url, max: 2 });
      db = pgDatabase(pool);
      await migrate(db, 'guard', guardMigrations);
      stage = await Stage.open(database.url, { flights });
    });
    after(async () => {
      await stage.close();
      await pool.end();
      await database.drop();
    });

    /** The same where a try was done before any of them began. */
    const afterTry = (): Play<Kind> => {
      const held = new Map<string, Promise<unknown>>();
      return async (kind, part) => {
        const { gid } = part;
        const before = held.get(gid) ?? tryAgain(gid, 'first');
        held.set(gid, before);
        await before;
        return play(kind, part);
      };
    };
    const tryAgain = (gid: string, name: string) =>
      play('try', { gid, name, db, gate: () => Promise.resolve() } satisfies Part);

    /** The promises, whatever happened. */
    async function check(outcome: Outcome<Kind>, wasHeld = false): Promise<void> {
      const { gid, answers, net, first, second } = outcome;
      const seen = JSON.stringify(outcome);
      const of = (...kinds: Kind[]) => answers.filter(({ kind }) => kinds.includes(kind)).map(({ answer }) => answer);
      const isMoved = second?.outcome === 'applied' && 'movedBy' in (second.result as object);
      const isReleased = second?.outcome === 'applied' && !isMoved;
      const isHeld = first?.outcome === 'applied' && second === undefined;
      assert.deepEqual(
        answers.filter(({ answer }) => answer.kind === 'error'),
        [],
        seen,
      );
      assert.equal(net, isMoved ? MOVED : isHeld ? HELD : 0, `the effect is what the guard says: ${seen}`);
      for (const answer of of('confirm')) {
        if (answer.kind === 'returned') assert.deepEqual([net, answer.value], [MOVED, second?.result], seen);
        if (answer.kind === 'suspended' && wasHeld) assert.ok(isReleased, `refused by nobody: ${seen}`);
        assert.ok(['returned', 'suspended', 'crashed'].includes(answer.kind), seen);
      }
      for (const answer of of('cancel', 'cancel at once')) {
        if (answer.kind === 'returned') assert.equal(net, 0, `cancelled, and yet something is there: ${seen}`);
        if (answer.kind === 'returned' && isReleased) assert.deepEqual(answer.value ?? null, second.result, seen);
        if (answer.kind === 'suspended') assert.ok(isMoved, `refused by nobody: ${seen}`);
        assert.ok(['returned', 'suspended', 'crashed'].includes(answer.kind), seen);
      }
      for (const answer of of('try', 'try at once', 'refused try', 'settle')) {
        if (answer.kind === 'returned') assert.deepEqual(answer.value, first?.result, seen);
        // A refused try that was cancelled as well (an empty cancel) is over like a released one.
        const isOver = isReleased || second?.outcome === 'empty' || first?.outcome === 'barred';
        if (answer.kind === 'suspended') assert.ok(isOver, seen);
        if (answer.kind === 'barred') assert.notEqual(first?.outcome, 'applied', seen);
      }

      const late = await tryAgain(gid, 'late').then(
        (value): Answer => ({ kind: 'returned', value }),
        (error: unknown) => answerOf(error),
      );
      const untouched = first === undefined;
      if (isMoved || isHeld) assert.deepEqual(late, { kind: 'returned', value: first?.result }, seen);
      else if (first?.outcome === 'rejected' && second === undefined) assert.equal(late.kind, 'rejected', seen);
      else if (!untouched) assert.equal(late.kind, 'suspended', `a try came after its cancel: ${seen}`);
    }

    /** Every order there is. @returns the outcomes */
    async function everyOrder(kinds: readonly Kind[], how: Play<Kind> = play): Promise<Outcome<Kind>[]> {
      const outcomes: Outcome<Kind>[] = [];
      let prefix: number[] = [];
      for (;;) {
        const taken: number[] = [];
        const choose = (step: number) => {
          const choice = prefix[step] ?? 0;
          taken.push(choice);
          return choice;
        };
        const outcome = await stage.play(kinds, { choose }, how);
        outcomes.push(outcome);
        await check(outcome, how !== play);
        let last = taken.length - 1;
        while (last >= 0 && (taken[last] ?? 0) + 1 >= (outcome.choices[last] ?? 0)) last--;
        if (last < 0) return outcomes;
        prefix = [...taken.slice(0, last), (taken[last] ?? 0) + 1];
      }
    }
    const answersOf = ({ answers }: Outcome<Kind>) => answers.map(({ answer }) => answer.kind).join(' and ');
    /** Each way in which they were answered, once. */
    const waysOf = (outcomes: readonly Outcome<Kind>[]) => [...new Set(outcomes.map(answersOf))].toSorted();

    it('a cancel whose try has not come is empty, and the try that comes then is refused', async () => {
      const outcomes = await everyOrder(['try', 'cancel']);
      // The cancel first, or while the try is in flight, or after it.
      assert.deepEqual(waysOf(outcomes), ['returned and returned', 'suspended and returned']);
      for (const { net } of outcomes) assert.equal(net, 0);
    });

    it('a cancel that meets its try in flight waits for it, and releases what it held', async () => {
      const outcomes = await everyOrder(['try', 'cancel']);
      const released = outcomes.filter(({ second }) => second?.outcome === 'applied');
      assert.ok(released.length > 0 && released.length < outcomes.length);
      for (const { first, net } of released) assert.deepEqual([first?.outcome, net], ['applied', 0]);
    });

    it('a try that is refused holds nothing, and its cancel is empty, whichever comes first', async () => {
      for (const { net, second } of await everyOrder(['refused try', 'cancel'])) {
        assert.deepEqual([net, second?.outcome ?? 'empty'], [0, 'empty']);
      }
    });

    it('a try that comes twice holds once', async () => {
      for (const outcome of await everyOrder(['try', 'try'])) {
        assert.deepEqual([answersOf(outcome), outcome.net], ['returned and returned', HELD]);
      }
    });

    it('a confirm that comes twice moves once, and both hear the same', async () => {
      for (const outcome of await everyOrder(['confirm', 'confirm'], afterTry())) {
        assert.deepEqual([answersOf(outcome), outcome.net], ['returned and returned', MOVED]);
      }
    });

    it('a cancel that comes twice releases once, and both hear the same', async () => {
      for (const outcome of await everyOrder(['cancel', 'cancel'], afterTry())) {
        assert.deepEqual([answersOf(outcome), outcome.net], ['returned and returned', 0]);
      }
    });

    it('of a confirm and a cancel that come at once one is done, and the other is refused', async () => {
      const outcomes = await everyOrder(['confirm', 'cancel'], afterTry());
      assert.deepEqual(waysOf(outcomes), ['returned and suspended', 'suspended and returned']);
    });

    it('a confirm never moves what is not held', async () => {
      const outcomes = await everyOrder(['try', 'confirm']);
      assert.deepEqual(waysOf(outcomes), ['returned and returned', 'returned and suspended']);
      for (const { answers, net } of outcomes) {
        assert.equal(net, answers[1]?.answer.kind === 'returned' ? MOVED : HELD);
      }
    });

    it('what settles finds what is held, or bars it for good, while the try is in flight', async () => {
      const outcomes = await everyOrder(['try', 'settle']);
      assert.deepEqual(waysOf(outcomes), ['returned and returned', 'suspended and barred']);
    });

    it('what settles hears whether a cancel was faster', async () => {
      const outcomes = await everyOrder(['settle', 'cancel'], afterTry());
      assert.deepEqual(waysOf(outcomes), ['returned and returned', 'undone and returned']);
      for (const { net } of outcomes) assert.equal(net, 0);
    });

    if (flights)
      it('a try, a confirm and a cancel at once end as held and moved, or as nothing', async () => {
        for (const kinds of [
          ['try', 'confirm', 'cancel'],
          ['try at once', 'confirm', 'cancel at once'],
        ] as const) {
          for (const { net } of await everyOrder(kinds)) assert.ok(net === 0 || net === MOVED);
        }
      });

    it('they keep their promises in random order, up to five of them, one of which may die at any statement', async () => {
      const all: Kind[] = ['try', 'refused try', 'settle', 'confirm', 'cancel'];
      const kind = fc.constantFrom<Kind>(...all, ...(flights ? (['try at once', 'cancel at once'] as const) : []));
      await fc.assert(
        fc.asyncProperty(
          fc.array(kind, { minLength: 2, maxLength: 5 }),
          fc.boolean(),
          fc.array(fc.nat({ max: 59 }), { minLength: 40, maxLength: 40 }),
          fc.option(fc.record({ step: fc.nat({ max: 20 }), actor: fc.nat({ max: 4 }) }), { nil: undefined }),
          async (kinds, isHeld, picks, crash) => {
            const choose = (step: number, runnable: number) => (picks[step % picks.length] ?? 0) % runnable;
            await check(await stage.play(kinds, { choose, crash }, isHeld ? afterTry() : play), isHeld);
          },
        ),
        { numRuns: RUNS },
      );
    });
  });
