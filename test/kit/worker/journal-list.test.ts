import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import { listEnded, listRunning } from '../../../src/kit/database/announcement/statements.js';
import { guardMigrations, migrate, pgDatabase, type Database } from '../../../src/kit/database/index.js';
import { listJournal } from '../../../src/kit/worker/journal-list.js';
import type { JournalLine, JournalListOrder } from '../../../src/kit/workflow/index.js';
import { testDatabase } from '../../support/servers.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 60);

/** Writes the first step of a transaction that has ended; `$1` gid, `$2` and `$3` ISO 8601, `$4` state. */
const ENDED = `
insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, began_at, fate_at, fate)
values ($1, 'pay', 1, 'action', 'applied', '', 'direct:1', 1, 'payments.charge.action', 'w1', 1, $2::text::timestamptz,
  $3::text::timestamptz, jsonb_build_object('state', $4::text, 'transaction', 'pay', 'lane', 'direct'))`;

const RUNNING = `
insert into backstitch.announcements (gid, branch, start, owner, state, began_at, take_over_at)
values ($1, 'pay', '{"transaction": "pay"}', 'direct:1', $3, $2::text::timestamptz, $2::text::timestamptz)`;

/** Writes the first step of a transaction that a group has opened; `$1` gid, `$2` ISO 8601, `$3` state. */
const OPENED = `
insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, began_at, fate)
values ($1, 'pay', 1, 'action', 'applied', '', 'group:g#1', 1, 'payments.charge.action', 'w1', 1, $2::text::timestamptz,
  jsonb_build_object('state', $3::text, 'transaction', 'pay', 'lane', 'grouped'))`;

interface Made {
  readonly database: number;
  /** Microseconds. */
  readonly began: number;
  readonly took: number;
  readonly state: 'committed' | 'compensated';
}

describe('the list of transactions that are no workflows', function () {
  this.timeout(240_000);
  const names = ['orders', 'payments', 'inventory'];
  const databases = new Map<string, Database>();
  const closing: (() => Promise<unknown>)[] = [];
  before(async () => {
    for (const name of names) {
      const opened = await testDatabase(name);
      const pool = new pg.Pool({ connectionString: opened.url, max: 3 });
      closing.push(
        () => opened.drop(),
        () => pool.end(),
      );
      databases.set(name, pgDatabase(pool));
      await migrate(pgDatabase(pool), 'guard', guardMigrations);
    }
  });
  after(async () => {
    for (const close of closing.reverse()) await close();
  });
  beforeEach(async () => {
    for (const database of databases.values())
      await database.run('truncate backstitch.guard, backstitch.announcements');
  });
  const at = (place: number) => databases.get(names[place] ?? '') ?? assert.fail();
  const iso = (us: number) => `2026-11-21T12:00:00.${String(us).padStart(6, '0')}Z`;

  /** All parts, one after the other. */
  async function all(order: JournalListOrder, bounds?: { scan: number; most: number }): Promise<JournalLine[]> {
    const lines: JournalLine[] = [];
    let after = order.after;
    do {
      const part = await listJournal(databases, { ...order, after }, bounds);
      assert.deepEqual(part.unread, []);
      assert.ok(part.lines.length <= (bounds?.most ?? Infinity));
      lines.push(...part.lines);
      after = part.next;
    } while (after !== undefined);
    return lines;
  }

  it('has each that fits once, the latest first, from any number of databases and in parts of any size', async () => {
    const made: fc.Arbitrary<Made> = fc.record({
      database: fc.nat(names.length - 1),
      // Many at the same microsecond.
      began: fc.nat(4),
      took: fc.nat(2),
      state: fc.constantFrom('committed', 'committed', 'compensated'),
    });
    const bounds = fc.record({ scan: fc.integer({ min: 1, max: 5 }), most: fc.integer({ min: 1, max: 5 }) });
    const state = fc.constantFrom(undefined, 'committed', 'compensated', 'failed');
    await fc.assert(
      fc.asyncProperty(fc.array(made, { maxLength: 14 }), bounds, state, async (transactions, bound, wanted) => {
        for (const database of databases.values()) await database.run('truncate backstitch.guard');
        const expected: { gid: string; ended: number }[] = [];
        for (const [n, { database, began, took, state: is }] of transactions.entries()) {
          const gid = `g-${n}`;
          await at(database).run(ENDED, [gid, iso(began), iso(began + took), is]);
          if (wanted === undefined || is === wanted) expected.push({ gid, ended: began + took });
        }
        const lines = await all({ of: 'ended', state: wanted, limit: 3 }, bound);
        expected.sort((a, b) => b.ended - a.ended || (a.gid > b.gid ? -1 : 1));
        assert.deepEqual(
          lines.map(({ gid }) => gid),
          expected.map(({ gid }) => gid),
        );
      }),
      { numRuns: RUNS },
    );
  });

  it('has those that began at a time or later, though others end among them', async () => {
    for (const [gid, began, ended] of [
      ['before', '2026-11-21T11:59:59Z', '2026-11-21T12:00:05Z'],
      ['then', '2026-11-21T12:00:00Z', '2026-11-21T12:00:01Z'],
      ['long ago', '2026-11-20T12:00:00Z', '2026-11-20T12:00:01Z'],
    ])
      await at(0).run(ENDED, [gid, began, ended, 'committed']);
    const lines = await all({ of: 'ended', since: '2026-11-21T12:00:00.000Z', limit: 10 });
    assert.deepEqual(lines, [
      {
        ...{ gid: 'then', state: 'committed', transaction: 'pay', lane: 'direct' },
        ...{ beganAt: '2026-11-21T12:00:00.000Z', endedAt: '2026-11-21T12:00:01.000Z' },
      },
    ]);
  });

  it('has those in progress, by their state', async () => {
    await at(0).run(RUNNING, ['a', iso(1), 'running']);
    await at(1).run(RUNNING, ['b', iso(2), 'undoing']);
    await at(2).run(RUNNING, ['c', iso(3), 'running']);
    const states = (lines: JournalLine[]) => lines.map(({ gid, state }) => `${gid} ${state}`);
    assert.deepEqual(states(await all({ of: 'running', limit: 9 }, { scan: 1, most: 2 })), [
      'c running',
      'b compensating',
      'a running',
    ]);
    assert.deepEqual(states(await all({ of: 'running', state: 'compensating', limit: 9 })), ['b compensating']);
  });

  it('has those that groups drive among them, each once', async () => {
    await at(0).run(OPENED, ['a', iso(1), 'undoing']);
    await at(0).run(RUNNING, ['b', iso(2), 'running']);
    await at(0).run(OPENED, ['c', iso(3), 'running']);
    // A workflow has taken it over.
    await at(0).run(OPENED, ['d', iso(4), 'running']);
    await at(0).run(RUNNING, ['d', iso(4), 'undoing']);
    const lines = await all({ of: 'running', since: iso(1), limit: 9 }, { scan: 1, most: 2 });
    assert.deepEqual(
      lines.map(({ gid, state, lane, transaction }) => [gid, state, lane, transaction].join(' ')),
      ['d compensating direct pay', 'c running grouped pay', 'b running direct pay', 'a compensating grouped pay'],
    );
    const [, c] = lines;
    assert.deepEqual([c?.beganAt, c?.endedAt], ['2026-11-21T12:00:00.000Z', undefined]);
    assert.deepEqual(await all({ of: 'ended', limit: 9 }), []);
  });

  it('tells which database cannot be read, and lists what the others have', async () => {
    await at(0).run(ENDED, ['there', iso(1), iso(2), 'committed']);
    const away = pgDatabase(new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/away' }));
    const { lines, unread } = await listJournal(new Map([...databases, ['away', away]]), { of: 'ended', limit: 5 });
    assert.deepEqual([lines.length, unread.length], [1, 1]);
    assert.match(unread[0] ?? '', /^the database of 'away' cannot be read: .*ECONNREFUSED/);
  });

  it('reads only its part of a large guard, by the indexes of the ends and of what groups drive', async () => {
    await at(0).run(
      `insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, fate, fate_at)
       select 'many-' || n, 'pay', 1, 'action', 'applied', '', 'direct:1', 1, 'f', 'w', 1, '{"state": "committed"}',
         clock_timestamp() - make_interval(secs => n)
       from generate_series(1, 20000) n`,
    );
    await at(0).run('analyze backstitch.guard');
    const values = ['1800000000000000', `'x'`, 'null', '1000'];
    const planOf = async (list: string) => {
      const text = list.replace(/\$(\d)/g, (_, n: string) => values[Number(n) - 1] ?? '');
      const plan = await at(0).run<{ 'QUERY PLAN': string }>(`explain (costs off) ${text}`);
      return plan.map((line) => line['QUERY PLAN']).join('\n');
    };
    const ended = await planOf(listEnded);
    assert.match(
      ended,
      /Limit[^]*Incremental Sort[^]*Presorted Key: g\.fate_at[^]*Index Scan Backward using guard_fate/,
      ended,
    );
    const running = await planOf(listRunning);
    assert.match(running, /Index Scan (on|using) guard_opened/, running);
  });
});
