import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import {
  createOutbound,
  guardMigrations,
  migrate,
  pgDatabase,
  Undecidable,
  type Database,
  type OutboundOptions,
} from '../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';
import { answerOf, operation, Stage, type Answer, type Part } from './support/interleave.js';
import { Provider, requestsTo, type Fault, type Payment } from './support/provider.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 80);
const QUIET_MS = 300_000;
const DAY_MS = 24 * 3_600_000;

/** `network`: delivers what is on its way late. `time`: passes, so that keys are forgotten and attempts are over. */
type Kind = 'action' | 'undo' | 'settle' | 'network' | 'time';

/** What another side promises. */
interface Side {
  readonly name: string;
  readonly keys: boolean;
  readonly lookUp: boolean;
  readonly faults: readonly Fault[];
  readonly kinds: readonly Kind[];
}

const SIDES: readonly Side[] = [
  {
    ...{ name: 'that takes keys', keys: true, lookUp: false },
    faults: ['lose-request', 'lose-reply', 'twice', 'late', 'refuse', 'fail'],
    kinds: ['action', 'undo', 'settle', 'network'],
  },
  {
    ...{ name: 'that forgets its keys after a day, and can be looked up', keys: true, lookUp: true },
    faults: ['lose-request', 'lose-reply', 'late', 'refuse', 'fail'],
    kinds: ['action', 'undo', 'settle', 'network', 'time'],
  },
  {
    ...{ name: 'that forgets its keys after a day, and cannot be looked up', keys: true, lookUp: false },
    faults: ['lose-request', 'lose-reply', 'late', 'refuse', 'fail'],
    kinds: ['action', 'undo', 'settle', 'network', 'time'],
  },
  {
    ...{ name: 'that takes no keys, and can be looked up', keys: false, lookUp: true },
    // Nothing helps against a network that doubles what has no key.
    faults: ['lose-request', 'lose-reply', 'late', 'refuse', 'fail'],
    kinds: ['action', 'undo', 'settle', 'network', 'time'],
  },
];

/** What may be thrown when nothing is known. */
const UNKNOWN =
  /fetch failed|provider answered \d+|may be on its way still|happened is not known|its time is over|Declined/;

describe('work outside SQL, under every order of what happens', function () {
  this.timeout(600_000);
  let database: TestDatabase;
  let pool: pg.Pool;
  let db: Database;
  let stage: Stage;
  let provider: Provider;

  before(async () => {
    database = await testDatabase('outbound_orders');
    pool = new pg.Pool({ connectionString: database.url, max: 2 });
    db = pgDatabase(pool);
    await migrate(db, 'guard', guardMigrations);
    stage = await Stage.open(database.url);
    provider = await Provider.open();
  });
  after(async () => {
    await stage.close();
    await pool.end();
    await provider.close();
    await database.drop();
  });

  /** The other side, and time, as all actors of one run share them. */
  class World {
    readonly side: Side;
    readonly options: OutboundOptions;
    #days = 0;

    constructor(side: Side, faults: readonly (Fault | undefined)[]) {
      this.side = side;
      this.options = { keys: side.keys, ...(side.lookUp && { quietMs: QUIET_MS }) };
      provider.keys = side.keys;
      provider.faults.splice(0, Infinity, ...faults);
      provider.books.length = 0;
    }

    get passed(): boolean {
      return this.#days > 0;
    }

    /** A day later. What was sent has arrived by then, as the other side promises, and its keys are forgotten. */
    async pass(through: Database, gid: string): Promise<void> {
      const arrive = () => {
        // Whoever was about to send finds its time over.
        this.#days += 1;
        while (provider.late > 0) provider.deliver();
      };
      arrive();
      const old = provider.knownKeys();
      // This may wait for a lock, while others go on.
      await through.run(
        `update backstitch.guard set first_sent_at = first_sent_at - make_interval(secs => $2::float8 / 1000),
           sending_until = sending_until - make_interval(secs => $2::float8 / 1000) where gid = $1`,
        [gid, DAY_MS],
      );
      arrive();
      provider.forgetKeys(old);
    }

    async play(kind: Kind, part: Part): Promise<unknown> {
      if (kind === 'network') {
        for (let times = 0; times < 3; times++) {
          await part.gate();
          provider.deliver();
        }
        return undefined;
      }
      if (kind === 'time') {
        await part.gate();
        return this.pass(part.db, part.gid);
      }
      return this.attempt(kind, part);
    }

    /** One attempt of an operation. */
    attempt(kind: 'action' | 'undo' | 'settle', { gid, name, db: own, gate }: Part): Promise<unknown> {
      let began = this.#days;
      const timed: Database = {
        ...own,
        transaction: (work, timeoutMs) => {
          began = this.#days;
          return own.transaction(work, timeoutMs);
        },
      };
      const probe = async (point: string) => {
        if (point === 'before') return;
        await gate();
        if (point === 'working' && began !== this.#days) throw new Error('its time is over');
      };
      const outbound = createOutbound(timed, { ...this.options, probe });
      const { charge, refund } = requestsTo(provider, this.side);
      const payment: Payment = { account: gid, amount: 1 };
      if (kind === 'undo') return outbound.undo(operation(gid, 'compensation', name), payment, charge, refund);
      const action = operation(gid, 'action', name);
      return outbound.apply(kind === 'settle' ? { ...action, settle: true } : action, payment, charge);
    }
  }

  const count = (of: 'charge' | 'refund') => provider.books.filter(({ kind }) => kind === of).length;

  /** Asks again and again, as a driver does, with no fault any more. */
  async function definite(world: World, gid: string, kind: 'action' | 'undo'): Promise<Answer> {
    const part = { gid, name: 'last', db, gate: () => Promise.resolve() };
    for (let attempt = 0; attempt < 8; attempt++) {
      try {
        return { kind: 'returned', value: await world.attempt(kind, part) };
      } catch (error) {
        const answer = answerOf(error);
        if (answer.kind !== 'error' || error instanceof Undecidable) return answer;
        if (world.side.lookUp) await world.pass(db, gid);
      }
    }
    throw new Error('it did not become definite');
  }

  for (const side of SIDES) {
    it(`has one effect or none, and none after an undo, with another side ${side.name}`, async () => {
      const seen = { undone: 0, done: 0, undecidable: 0 };
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom(...side.kinds), { minLength: 2, maxLength: 5 }),
          fc.array(fc.option(fc.constantFrom(...side.faults), { freq: 2 }), { maxLength: 6 }),
          fc.array(fc.nat({ max: 59 }), { minLength: 40, maxLength: 40 }),
          fc.option(fc.record({ step: fc.nat({ max: 25 }), actor: fc.nat({ max: 4 }) }), { nil: undefined }),
          fc.record({ last: fc.constantFrom('undo' as const, 'action' as const), late: fc.boolean() }),
          async (kinds, faults, picks, crash, { last, late }) => {
            const world = new World(
              side,
              faults.map((fault) => fault ?? undefined),
            );
            const choose = (step: number, runnable: number) => (picks[step % picks.length] ?? 0) % runnable;
            const outcome = await stage.play<Kind>(kinds, { choose, crash }, (kind, part) => world.play(kind, part));
            provider.faults.length = 0;
            const told = () => JSON.stringify({ outcome, books: provider.books });
            const sane = () => {
              assert.ok(count('charge') <= 1, `charged twice: ${told()}`);
              assert.ok(count('refund') <= count('charge'), `refunded twice: ${told()}`);
            };
            sane();
            const { answers } = outcome;
            for (const { answer } of answers)
              if (answer.kind === 'error') assert.match(answer.message, UNKNOWN, told());
            const of = (...wanted: Kind[]) =>
              answers.filter(({ kind }) => wanted.includes(kind)).map(({ answer }) => answer);
            const undone = of('undo').some(({ kind }) => kind === 'returned');
            const gone = undone || of('action', 'settle').some(({ kind }) => kind === 'barred' || kind === 'rejected');
            if (gone) assert.equal(provider.net(outcome.gid), 0, told());
            for (const answer of of('action', 'settle')) {
              if (answer.kind === 'returned') assert.deepEqual(answer.value, outcome.first?.result, told());
              if (answer.kind === 'suspended') assert.ok(outcome.second ?? outcome.first?.outcome === 'barred', told());
            }

            if (late && side.kinds.includes('time')) await world.pass(db, outcome.gid);
            const end = await definite(world, outcome.gid, last);
            while (provider.late > 0) provider.deliver();
            sane();
            const undecidable = end.kind === 'error';
            if (undecidable) assert.ok(world.passed && side.keys && !side.lookUp, `${JSON.stringify(end)} ${told()}`);
            if (gone) assert.equal(provider.net(outcome.gid), 0, told());
            if (last === 'undo' && !undecidable) {
              assert.equal(end.kind, 'returned', `${JSON.stringify(end)} ${told()}`);
              assert.equal(provider.net(outcome.gid), 0, told());
              seen.undone += count('refund');
            }
            if (last === 'action' && end.kind === 'returned') {
              assert.equal(provider.net(outcome.gid), 1, told());
              seen.done += 1;
            }
            if (undecidable) seen.undecidable += 1;
          },
        ),
        { numRuns: RUNS },
      );
      assert.ok(seen.undone > 0 && seen.done > 0, JSON.stringify(seen));
    });
  }
});
