import assert from 'node:assert/strict';
import pg from 'pg';
import { createGuard, pgDatabase } from '../../../../src/kit/database/index.js';
import { announcementsOf } from '../../../../src/kit/database/announcement/announcements.js';
import { collectGuards, guardsOf } from '../../../../src/kit/database/log/guards.js';
import { entriesOf } from '../../../../src/kit/database/log/rows.js';
import { guardsSince, inOrder } from '../../../../src/kit/database/log/statements.js';
import type { Fate } from '../../../../src/kit/workflow/fate.js';
import { op, refuse } from '../support/stage.js';
import { ANSWER, INSERT, LogStage } from './support.js';

describe('the log of a guard', () => {
  const stage = new LogStage();
  beforeEach(() => stage.reset());

  const insert = (gid: string, outcome = 'applied') => stage.participant.run(INSERT, [gid, outcome]);
  /** So many rows, each by a transaction of its own. */
  const insertMany = async (prefix: string, many: number) => {
    for (let n = 0; n < many; n++) await insert(`${prefix}-${n}`);
  };

  it('says who did what, when, with which input and result, at which attempt', async () => {
    const guard = createGuard(stage.participant, { mask: ['card.number'] });
    const input = { amount: 5, card: { number: '4111', holder: 'Ann' } };
    const pay = op('g1', 'action', { attempt: 2, who: 'worker-7', driver: 'workflow:r1', seq: 3 });
    await guard.apply(pay, input, () => Promise.resolve({ paymentId: 'p1' }));
    await guard.undo(op('g1', 'compensation', { seq: 3 }), input, () => Promise.resolve({ refunded: 5 }));
    await guard.apply(op('g1', 'action', { branch: 'ship', seq: 4 }), {}, refuse).catch(() => undefined);
    assert.deepEqual(await stage.collect(), { rows: 3, finished: true });
    const [paid, refunded, refused, ...rest] = await stage.entries('g1');
    assert.deepEqual(rest, []);
    const { beganAt, endedAt, collectedAt, ...said } = paid ?? assert.fail();
    assert.deepEqual(said, {
      gid: 'g1',
      source: 'guard',
      service: 'payments',
      seq: 3,
      branch: 'pay',
      op: 'action',
      outcome: 'applied',
      function: 'payments.charge.action',
      input: { amount: 5, card: { number: '***', holder: 'Ann' } },
      result: { paymentId: 'p1' },
      failure: undefined,
      driver: 'workflow:r1',
      who: 'worker-7',
      attempt: 2,
    });
    assert.ok(
      beganAt <= (endedAt ?? '') && (endedAt ?? '') <= (collectedAt ?? ''),
      `${beganAt} ${endedAt} ${collectedAt}`,
    );
    assert.deepEqual([refunded?.op, refunded?.outcome, refunded?.result], ['compensation', 'applied', { refunded: 5 }]);
    assert.deepEqual([refused?.outcome, refused?.failure], ['rejected', { type: 'Refused', message: 'no' }]);
  });

  it('has both rows of an undo that came first: the bar, and that there was nothing to undo', async () => {
    const guard = createGuard(stage.participant);
    await guard.undo(op('g2', 'compensation'), {}, () => Promise.resolve({}));
    await stage.collect();
    const outcomes = (await stage.entries('g2')).map((entry) => [entry.op, entry.outcome]).sort();
    assert.deepEqual(outcomes, [
      ['compensation', 'barred'],
      ['compensation', 'empty'],
    ]);
  });

  describe('of a transaction that never was a workflow', () => {
    const fated = async (gid: string, fate: object) => {
      const home = announcementsOf(stage.participant);
      await home.adopt(gid);
      assert.ok(await home.end(gid, 'workflow', undefined, { transaction: 'pay', inputHash: '', ...fate } as Fate));
    };

    it('has its end, once, however often its rows are collected', async () => {
      await insert('direct');
      assert.deepEqual(await stage.collect(), { rows: 1, finished: true });
      await fated('direct', { lane: 'direct', state: 'committed', result: { paymentId: 'p1' } });
      assert.deepEqual(await stage.collect(), { rows: 1, finished: true });
      assert.deepEqual(await stage.collect(), { rows: 0, finished: true });
      const [paid, end, ...rest] = await stage.entries('direct');
      assert.deepEqual([paid?.op, rest], ['action', []]);
      const { op: what, outcome, result, failure, service, beganAt, endedAt } = end ?? assert.fail();
      assert.deepEqual(
        [what, outcome, result, failure, service],
        ['end', 'committed', { paymentId: 'p1' }, undefined, 'payments'],
      );
      assert.ok(beganAt === endedAt && beganAt >= (paid?.beganAt ?? ''));
      assert.deepEqual(
        entriesOf(await guardsOf('payments', stage.participant, 'direct')).map((each) => each.op),
        ['action', 'end'],
      );
    });

    it('which was undone says why', async () => {
      await insert('undone');
      const report = { gid: 'undone', cause: { type: 'OutOfStock', message: 'none' } };
      await fated('undone', { lane: 'direct', state: 'compensated', report, message: 'OutOfStock: none' });
      await stage.collect();
      const end = (await stage.entries('undone')).at(-1);
      assert.deepEqual(
        [end?.op, end?.outcome, end?.failure],
        ['end', 'compensated', { type: 'TransactionCompensated', message: 'OutOfStock: none' }],
      );
    });

    it('until a person gave it to one: who and why; its end is told by the history', async () => {
      await insert('given');
      const promoted = { actor: 'ann', reason: 'the till was stolen', at: 1_800_000_000_123 };
      await fated('given', { lane: 'workflow', state: 'committed', promoted });
      await stage.collect();
      const [given, ...rest] = (await stage.entries('given')).filter((each) => each.op !== 'action');
      assert.deepEqual(rest, []);
      assert.deepEqual(
        [given?.op, given?.outcome, given?.who, given?.input, given?.beganAt],
        ['operate', 'done', 'ann', { action: 'promote', ...promoted }, new Date(promoted.at).toISOString()],
      );
    });

    it('of a group, and has not ended yet: has no end', async () => {
      await insert('grouped');
      await stage.participant.run(`update backstitch.guard set fate = '{"state": "running"}' where gid = $1`, [
        'grouped',
      ]);
      await stage.collect();
      assert.deepEqual(
        (await stage.entries('grouped')).map((each) => each.op),
        ['action'],
      );
    });
  });

  it('misses no transaction that began before a collection and commits after later ones', async () => {
    const late = new pg.Client({ connectionString: stage.participantUrl });
    await late.connect();
    try {
      await stage.collect();
      await late.query('begin');
      await late.query(INSERT, ['late', 'applied']);
      await insertMany('soon', 5);
      assert.deepEqual(await stage.collect(), { rows: 5, finished: true });
      // What is read once is not read again for the sake of the one that is open.
      assert.deepEqual(await stage.collect(), { rows: 0, finished: true });
      await late.query('commit');
      assert.deepEqual(await stage.collect(), { rows: 1, finished: true });
      assert.deepEqual(await stage.logged(), await stage.guarded());
    } finally {
      await late.end();
    }
  });

  it('is collected in batches, which a collection that ends early leaves kept, and the next goes on behind', async () => {
    await insertMany('first', 7);
    assert.deepEqual(await stage.collect({ batch: 3, until: 0 }), { rows: 3, finished: false });
    assert.equal((await stage.logged()).length, 3);
    await insertMany('more', 2);
    let beats = 0;
    const rest = await stage.collect({ batch: 3, heartbeat: () => beats++ });
    assert.ok(rest.finished && beats >= 2, `${beats} batches`);
    assert.deepEqual(await stage.logged(), await stage.guarded());

    await insertMany('later', 10);
    assert.deepEqual(await stage.collect({ batch: 3, until: 0 }), { rows: 3, finished: false });
    assert.deepEqual(await stage.collect({ batch: 3 }), { rows: 7, finished: true });
    assert.deepEqual(await stage.logged(), await stage.guarded());
  });

  it('never holds more than a few megabytes at a time, however large the inputs are', async () => {
    const text = `update backstitch.guard set input = to_jsonb((select string_agg(md5(n::text || gid), '') from generate_series(1, 50000) n))`;
    await insertMany('large', 8);
    await stage.participant.run(text, []);
    const sizes: number[] = [];
    const move: typeof stage.log.move = (source, cursor, rows) => {
      sizes.push(rows.length);
      return stage.log.move(source, cursor, rows);
    };
    while (!(await stage.collect({}, { ...stage.log, move })).finished);
    assert.ok(sizes.length >= 3 && Math.max(...sizes) < 8_000_000, sizes.join(', '));
    assert.deepEqual(await stage.logged(), await stage.guarded());
  });

  it('replaces an intent by its answer, and never an answer by its intent', async () => {
    await insert('sent', 'intent');
    await stage.collect();
    const [intent] = await stage.rows('sent');
    assert.equal(intent?.outcome, 'intent');
    await stage.participant.run(ANSWER, ['sent']);
    assert.deepEqual(await stage.collect(), { rows: 1, finished: true });
    const answered = await stage.entries('sent');
    assert.deepEqual(
      answered.map(({ outcome, result }) => [outcome, result]),
      [['applied', { id: 7 }]],
    );
    // A collector that had read the intent, and is slow.
    await stage.log.put([{ ...intent, version: '999999999999' }]);
    assert.deepEqual(await stage.entries('sent'), answered);
  });

  it('of two collectors at once one goes on, and nothing is there twice', async () => {
    await insertMany('both', 20);
    await Promise.all([stage.collect({ batch: 4 }), stage.collect({ batch: 4 }), stage.collect({ batch: 4 })]);
    await stage.collectAll({ batch: 4 });
    assert.deepEqual(await stage.logged(), await stage.guarded());
  });

  describe('of a database that was restored', () => {
    const pretend = (column: string, value: string) =>
      stage.operations.run(`update backstitch.log_cursors set ${column} = $1`, [value]);

    it('to an earlier time, before what had been collected: is collected from its beginning', async () => {
      await insertMany('old', 3);
      await stage.collect();
      // The cursor is ahead of all that this database has come to.
      await pretend('done', '999999999999:999999999999:');
      await insertMany('new', 2);
      assert.deepEqual(await stage.collect({ batch: 2 }), { rows: 5, finished: true });
      assert.deepEqual(await stage.logged(), await stage.guarded());
      assert.deepEqual(await stage.collect(), { rows: 0, finished: true });
    });

    it('in the middle of a collection: likewise', async () => {
      await insertMany('old', 3);
      await stage.collect({ batch: 2, until: 0 });
      await pretend('target', '999999999999:999999999999:');
      assert.deepEqual(await stage.collect({ batch: 2 }), { rows: 3, finished: true });
      assert.deepEqual(await stage.logged(), await stage.guarded());
    });

    it('and has since gone on beyond what had been collected: it is another database, and told from the one before', async () => {
      await insertMany('old', 3);
      await stage.collect();
      const [{ identity } = { identity: '' }] = await stage.operations.run<{ identity: string }>(
        'select identity from backstitch.log_cursors',
        [],
      );
      assert.match(identity, /^\d+\/[0-9A-F]{8}\/\d+$/);
      await pretend('identity', identity.replace(/\/[0-9A-F]{8}\//, '/00000000/'));
      // Written in the new life, with a number that the cursor of the old one has passed.
      await stage.participant.run(
        INSERT.replace('ended_at)', 'ended_at, written)').replace('clock_timestamp())', `clock_timestamp(), '3')`),
        ['again', 'applied'],
      );
      assert.deepEqual(await stage.collect(), { rows: 4, finished: true });
      assert.deepEqual(await stage.logged(), await stage.guarded());
    });

    it('from a dump, with rows of transactions that are still to come here: has them all', async () => {
      await insertMany('dumped', 3);
      await stage.participant.run(`update backstitch.guard set written = '888888888888'`, []);
      assert.deepEqual(await stage.collect({ batch: 2 }), { rows: 3, finished: true });
      await insertMany('new', 1);
      assert.deepEqual(await stage.collect(), { rows: 1, finished: true });
      assert.deepEqual(await stage.logged(), await stage.guarded());
    });

    it('whose row was written anew says what is true now', async () => {
      await insert('again');
      await stage.collect();
      await stage.participant.run('truncate backstitch.guard', []);
      await insert('again', 'rejected');
      await pretend('identity', 'another');
      await stage.collect();
      assert.deepEqual(
        (await stage.entries('again')).map(({ outcome }) => outcome),
        ['rejected'],
      );
    });
  });

  it('that was lost with the operations database is collected anew, by the same worker', async () => {
    await insertMany('kept', 3);
    await stage.collect();
    await stage.operations.run('drop schema backstitch cascade');
    await insertMany('new', 1);
    assert.deepEqual(await stage.collect(), { rows: 4, finished: true });
    assert.deepEqual(await stage.logged(), await stage.guarded());
  });

  it('is read by a role that may only read the guard', async () => {
    await insertMany('plain', 2);
    const role = `reader_${process.pid}`;
    await stage.participant.run(`create role ${role} login password 'reader'`);
    await stage.participant.run(
      `grant usage on schema backstitch to ${role}; grant select on backstitch.guard to ${role}`,
    );
    const url = Object.assign(new URL(stage.participantUrl), { username: role, password: 'reader' });
    const pool = new pg.Pool({ connectionString: url.href });
    try {
      assert.deepEqual(await collectGuards('payments', pgDatabase(pool), stage.log), { rows: 2, finished: true });
      const [cursor] = await stage.operations.run<{ identity: string }>(
        'select identity from backstitch.log_cursors',
        [],
      );
      assert.match(cursor?.identity ?? '', /^\d+\//);
    } finally {
      await pool.end();
      await stage.participant.run(`drop owned by ${role}; drop role ${role}`);
    }
  });

  it('of a service whose guard is not there yet fails, and is collected when it is', async () => {
    const { database } = await stage.database('empty');
    await assert.rejects(collectGuards('other', database, stage.log), /backstitch.guard/);
  });

  it('reads only the newest rows of a large guard, by their index', async () => {
    await stage.participant.run(
      `insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, driver, seq, function, who, attempt, written)
       select 'many-' || n, 'pay', 1, 'action', 'applied', '', 'd', 1, 'f', 'w', 1, (n % 700 + 3)::text::xid8 from generate_series(1, 20000) n`,
      [],
    );
    await stage.participant.run('analyze backstitch.guard', []);
    await stage.collectAll();
    await insertMany('one', 1);
    const [done] = await stage.operations.run<{ done: string }>('select done from backstitch.log_cursors', []);
    const values = [`'payments'`, `'${done?.done}'`, 'null', 'null', '1000', '4000000'];
    const plan = await stage.participant.transaction(async (sql) => {
      await sql(inOrder, ['25000']);
      const text = guardsSince.replace(/\$(\d)/g, (_, n: string) => values[Number(n) - 1] ?? '');
      return sql<{ 'QUERY PLAN': string }>(`explain (costs off) ${text}`);
    });
    const text = plan.map((line) => line['QUERY PLAN']).join('\n');
    assert.match(text, /Limit[^]*Incremental Sort[^]*Presorted Key: g.written[^]*Index Scan using guard_written/, text);
  });
});
