import assert from 'node:assert/strict';
import pg from 'pg';
import {
  createOccupancy,
  migrate,
  occupancyMigrations,
  pgDatabase,
  PoolConflict,
  reclaimDue,
  Together,
  TooMany,
  type Database,
  type Occupancy,
} from '../../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';

describe('occupancy', () => {
  let test: TestDatabase;
  let pool: pg.Pool;
  let database: Database;
  let occupancy: Occupancy;
  let count = 0;
  before(async () => {
    test = await testDatabase();
    pool = new pg.Pool({ connectionString: test.url, max: 10 });
    database = pgDatabase(pool);
    await migrate(database, 'occupancy', occupancyMigrations);
    occupancy = createOccupancy(database);
  });
  after(async () => {
    await pool.end();
    await test.drop();
  });
  const open = async (units: number, given = {}) => {
    const name = `pool-${++count}`;
    await database.transaction((sql) => occupancy.open(sql, { pool: name, units, ...given }));
    return name;
  };
  const occupy = (name: string, id: string, units = 1, holder = id) =>
    occupancy.occupy({ pool: name, id, holder, units });

  it('of many who ask at once, in one statement or in many, as many have units as there are', async () => {
    const name = await open(100);
    const others = [occupancy, createOccupancy(database), createOccupancy(database, { together: 3 })] as const;
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        (others[n % 3] ?? occupancy).occupy({ pool: name, id: `${name}-${n}`, holder: 'h', units: 1 }),
      ),
    );
    assert.equal(answers.filter((each) => each.answer === 'occupied').length, 100);
    assert.equal(answers.filter((each) => each.answer === 'gone').length, 200);
    const { free, occupied } = (await occupancy.pool(name)) ?? {};
    assert.deepEqual([free, occupied], [0, 100]);
  });

  it('is asked for once, however often, and at the same time', async () => {
    const name = await open(5);
    const twice = await Promise.all([
      occupy(name, 'twice', 2),
      occupy(name, 'twice', 2),
      createOccupancy(database).occupy({ pool: name, id: 'twice', holder: 'twice', units: 2 }),
    ]);
    assert.deepEqual(new Set(twice.map((each) => JSON.stringify(each))).size, 1);
    assert.equal((await occupancy.pool(name))?.free, 3);
    assert.deepEqual(await occupy(name, 'twice', 1), { answer: 'conflict' });
    assert.deepEqual(await occupy(await open(5), 'twice', 2), { answer: 'conflict' }, 'an id is of one pool');
  });

  it('opens a pool once, on its terms, and closes and settles it once', async () => {
    const name = await open(3, { terms: { a: 1, b: 2 }, mostPerHolder: 2 });
    const again = (given = {}) =>
      database.transaction((sql) =>
        occupancy.open(sql, { pool: name, units: 3, mostPerHolder: 2, terms: { b: 2, a: 1 }, ...given }),
      );
    assert.equal(await again(), false);
    await assert.rejects(again({ units: 4 }), PoolConflict);
    await assert.rejects(again({ units: -1 }), RangeError);
    await assert.rejects(occupy(name, 'a\0b'), RangeError);
    await assert.rejects(occupy(name, 'half', 0.5), RangeError);
    await occupy(name, `${name}-1`, 2);
    assert.equal(await occupancy.close(name), true);
    assert.equal(await occupancy.close('nothing'), false);
    const settle = () => database.transaction((sql) => occupancy.settle(sql, name));
    assert.equal(await settle(), undefined, 'something is occupied still');
    await occupancy.consume([`${name}-1`]);
    assert.deepEqual(await occupancy.settleable(10), [name]);
    assert.deepEqual(await settle(), { returned: 1, terms: { a: 1, b: 2 } });
    assert.equal(await settle(), undefined);
  });

  it('moves each once: of consume and release at the same time one wins, and both hear which', async () => {
    const name = await open(50);
    const ids = Array.from({ length: 50 }, (_, n) => `${name}-${n}`);
    await Promise.all(ids.map((id) => occupy(name, id)));
    const [consumed, released] = await Promise.all([
      occupancy.consume(ids.toReversed()),
      occupancy.release(name, ids),
      occupancy.release(name, ids.slice(20)),
    ]);
    const now = await occupancy.look(ids);
    for (const id of ids) {
      assert.equal(consumed.get(id)?.state, now.get(id)?.state);
      assert.equal(released.get(id)?.state, now.get(id)?.state);
    }
    const { free, consumed: kept } = (await occupancy.pool(name)) ?? {};
    assert.equal((free ?? 0) + (kept ?? 0), 50);
  });

  it('reclaims in batches, from place to place; one that cannot be barred stops no other', async () => {
    const name = await open(10, { holdMs: 0 });
    const ids = Array.from({ length: 7 }, (_, n) => `${name}-${n}`);
    for (const id of ids) await occupy(name, id);
    const asked: number[] = [];
    const bar = (rows: readonly { id: string }[]) => {
      asked.push(rows.length);
      if (rows.some(({ id }) => id.endsWith('-1'))) return Promise.reject(new Error('cannot be barred'));
      return Promise.resolve(
        new Map(rows.map(({ id }) => [id, id.endsWith('-2') ? ('paid' as const) : ('barred' as const)])),
      );
    };
    const first = await reclaimDue(occupancy, { bar, batch: 4 });
    assert.deepEqual([first.due, first.released.length, first.consumed], [4, 2, [`${name}-2`]]);
    assert.deepEqual(first.failed, [{ pool: name, id: `${name}-1`, message: 'cannot be barred' }]);
    assert.deepEqual(asked, [4, 1, 1, 1, 1]);
    const second = await reclaimDue(occupancy, { bar, batch: 4, after: first.next });
    assert.deepEqual([second.due, second.released.length, second.next], [3, 3, undefined]);
    // What failed is found again from the front.
    assert.equal((await reclaimDue(occupancy, { bar })).due, 1);
    const lost = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }));
    await assert.rejects(reclaimDue(occupancy, { bar: lost }), /gone/, 'a database that is gone is gone for all');
  });
});

describe('what goes together', () => {
  /** Sends that wait until they are let go, with what they were sent. */
  const gathering = (options = {}) => {
    const sent: string[][] = [];
    const gates: ((error?: Error) => void)[] = [];
    const together = new Together<string, string>({
      send: (asked) => {
        sent.push([...asked]);
        return new Promise((resolve, reject) => {
          gates.push((error) => {
            if (error) reject(error);
            else resolve(asked.map((each) => `${each}!`));
          });
        });
      },
      keyOf: (asked) => asked,
      ...options,
    });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    return { sent, together, turn, go: async (error?: Error) => (gates.shift()?.(error), turn()) };
  };

  it('is what came while something was under way; a key that is there already goes with the next', async () => {
    const { sent, together, turn, go } = gathering({ most: 2 });
    const answers = ['a', 'a', 'b', 'c'].map((each) => together.ask(each));
    await turn();
    for (let n = 0; n < 3; n++) await go();
    assert.deepEqual(await Promise.all(answers), ['a!', 'a!', 'b!', 'c!']);
    assert.deepEqual(sent, [
      ['a', 'b'],
      ['a', 'c'],
    ]);
  });

  it('is told that it is not known where it failed; what data were refused is tried by itself', async () => {
    const { sent, together, turn, go } = gathering();
    const lost = Promise.allSettled(['a', 'b'].map((each) => together.ask(each)));
    await turn();
    await go(new Error('connection lost'));
    assert.deepEqual(new Set((await lost).map(({ status }) => status)), new Set(['rejected']));
    const wrong = Promise.allSettled(['c', 'd'].map((each) => together.ask(each)));
    await turn();
    const refused = () => Object.assign(new Error('no'), { code: '22P05' });
    await go(refused());
    await go(refused());
    await go();
    assert.deepEqual(
      (await wrong).map(({ status }) => status),
      ['rejected', 'fulfilled'],
    );
    assert.deepEqual(sent, [['a', 'b'], ['c', 'd'], ['c'], ['d']]);
    // What took too long would take longer one by one.
    const slow = Promise.allSettled(['e', 'f'].map((each) => together.ask(each)));
    await turn();
    await go(Object.assign(new Error('canceling statement'), { code: '57014' }));
    assert.deepEqual(new Set((await slow).map(({ status }) => status)), new Set(['rejected']));
    assert.equal(sent.length, 5);
  });

  it('has a bound', async () => {
    const { together, turn, go } = gathering({ waiting: 1 });
    const first = together.ask('a');
    await assert.rejects(together.ask('b'), TooMany);
    await turn();
    await go();
    assert.equal(await first, 'a!');
  });
});
