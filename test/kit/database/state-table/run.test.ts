import assert from 'node:assert/strict';
import {
  Decided,
  DrivenElsewhere,
  InputMismatch,
  StateTableConflict,
  StateTableUnavailable,
  type Database,
  type Operation,
} from '../../../../src/kit/database/index.js';
import type { Fate } from '../../../../src/kit/workflow/fate.js';
import { failing, StateStage, transfer } from './stage.js';

describe('the state table, by its caller', () => {
  const stage = new StateStage();
  const both = { a: -5, b: 5 };
  const none = { a: 0, b: 0 };

  it('does A, then B, and says so; asked again it says the same and does nothing', async () => {
    const [gid, table] = [stage.newGid(), stage.table()];
    const expected = { answer: 'success', results: [{ moved: 5 }, { moved: 5 }] };
    assert.deepEqual(await table.run(gid, transfer()), expected);
    assert.deepEqual(await table.run(gid, transfer()), expected);
    assert.deepEqual(await stage.effects(gid), both);
    const row = await table.look(gid);
    assert.deepEqual([row?.state, row?.done, row?.dueAt, row?.rounds], ['success', 2, undefined, 0]);
    assert.ok((row?.endedAt ?? 0) >= (row?.createdAt ?? Infinity));
  });

  it('moves the row init → a_done → success, each when the operation before it is done', async () => {
    const [gid, table] = [stage.newGid(), stage.table()];
    const seen: unknown[] = [];
    stage.probe = async (point, operation) => {
      if (point !== 'before') return;
      const row = await table.look(gid);
      seen.push([operation.branch, row?.state, row?.done, row?.results]);
    };
    await table.run(gid, transfer());
    assert.deepEqual(seen, [
      ['from', 'init', 0, []],
      ['to', 'a_done', 1, [{ moved: 5 }]],
    ]);
  });

  it('of two states moves it init → success', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ twoStates: true })];
    const seen: unknown[] = [];
    stage.probe = async (point) => {
      if (point === 'before') seen.push((await table.look(gid))?.state);
    };
    assert.equal((await table.run(gid, transfer())).answer, 'success');
    assert.deepEqual(seen, ['init', 'init']);
    assert.equal((await table.look(gid))?.state, 'success');
  });

  it('does one operation, and 26', async () => {
    const table = stage.table();
    const [first] = transfer();
    assert.ok(first);
    assert.equal((await table.run(stage.newGid(), [first])).answer, 'success');
    const gid = stage.newGid();
    const many = Array.from({ length: 26 }, (_, index) => ({ ...first, branch: `from-${index}` }));
    const states: unknown[] = [];
    stage.probe = async (point) => {
      if (point === 'before') states.push((await table.look(gid))?.state);
    };
    assert.equal((await table.run(gid, many)).answer, 'success');
    assert.deepEqual([states[0], states[1], states[2], states[25]], ['init', 'a_done', 'b_done', 'y_done']);
    assert.deepEqual(await stage.effects(gid), { a: -130, b: 0 });
  });

  it('asks each operation again three times, and four attempts are enough', async () => {
    const [gid, table] = [stage.newGid(), stage.table()];
    const [a, b] = [failing('a.take', 'before', 3), failing('b.put', 'committed', 3)];
    const attempts: number[] = [];
    stage.probe = async (point, operation) => {
      if (point === 'before') attempts.push(operation.attempt);
      await a(point, operation);
      await b(point, operation);
    };
    assert.equal((await table.run(gid, transfer())).answer, 'success');
    assert.deepEqual(attempts, [1, 2, 3, 4, 1, 2, 3, 4]);
    assert.deepEqual(await stage.effects(gid), both);
  });

  for (const twoStates of [false, true]) {
    const variant = twoStates ? 'two states' : 'three states';

    for (const [name, branch, effects] of [
      ['a.take', 'from', none],
      ['b.put', 'to', { a: -5, b: 0 }],
    ] as const) {
      it(`answers pending while ${name} fails, and goes on when asked again (${variant})`, async () => {
        const [gid, table] = [stage.newGid(), stage.table({ twoStates })];
        stage.probe = failing(name, 'before');
        const answer = await table.run(gid, transfer());
        assert.equal(answer.answer, 'pending');
        assert.deepEqual(
          { ...answer },
          {
            ...{ answer: 'pending', stored: true, done: branch === 'to' && !twoStates ? 1 : 0 },
            failure: { known: 'unknown', type: 'Error', message: `${name} is broken at 'before'` },
          },
        );
        assert.deepEqual(await stage.effects(gid), effects);
        assert.equal((await table.look(gid))?.failure?.message, `${name} is broken at 'before'`);
        stage.probe = undefined;
        assert.equal((await table.run(gid, transfer())).answer, 'success');
        assert.deepEqual(await stage.effects(gid), both);
      });

      it(`answers pending when ${name} is done and no answer comes, and never does it twice (${variant})`, async () => {
        const [gid, table] = [stage.newGid(), stage.table({ twoStates })];
        stage.probe = failing(name, 'committed');
        // A duplicate passes the same point: every answer is lost.
        assert.equal((await table.run(gid, transfer())).answer, 'pending');
        stage.probe = undefined;
        assert.equal((await table.run(gid, transfer())).answer, 'success');
        assert.deepEqual(await stage.effects(gid), both);
      });
    }

    it(`ends as refused when A says no, for good (${variant})`, async () => {
      const [gid, table] = [stage.newGid(), stage.table({ twoStates })];
      const answer = await table.run(gid, transfer({ refused: true }));
      const failure = { known: 'refused', type: 'NoMoney', message: `a has none for ${gid}` };
      assert.deepEqual(answer, { answer: 'refused', failure });
      assert.deepEqual(await table.run(gid, transfer({ refused: true })), answer);
      assert.deepEqual(await stage.effects(gid), none);
      assert.equal((await table.look(gid))?.dueAt, undefined);
    });

    it(`is an error for a person when B says no: A is done, and stays so (${variant})`, async () => {
      const [gid, table] = [stage.newGid(), stage.table({ twoStates })];
      const answer = await table.run(gid, transfer({}, { refused: true }));
      const failure = { known: 'refused', type: 'NoMoney', message: `b has none for ${gid}` };
      assert.deepEqual(answer, { answer: 'error', done: 1, failure });
      assert.deepEqual(await table.run(gid, transfer({}, { refused: true })), answer);
      assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
      const row = await table.look(gid);
      assert.deepEqual([row?.state, row?.done, row?.results], ['error', 1, [{ moved: 5 }]]);
      assert.ok(row?.dueAt !== undefined, 'the scan takes it to the desk');
    });
  }

  for (const [what, error, expected] of [
    ['its name is taken by another input', (of: Operation) => new InputMismatch(of), ['error', 'error', 1]],
    [
      'another scheme has ended the transaction',
      (of: Operation) => new Decided(of, { state: 'committed' } as Fate),
      ['error', 'error', 1],
    ],
    ['another driver has it', (of: Operation) => new DrivenElsewhere(of, 'saga'), ['pending', 'init', 2]],
  ] as const) {
    it(`does not say that nothing happened when A is not done because ${what}`, async () => {
      const [gid, table] = [stage.newGid(), stage.table({ retries: 1 })];
      let calls = 0;
      stage.probe = (point, operation) => {
        if (point !== 'before') return Promise.resolve();
        calls++;
        return Promise.reject(error(operation));
      };
      const answer = await table.run(gid, transfer());
      const row = await table.look(gid);
      assert.deepEqual([answer.answer, row?.state, calls], expected);
      assert.deepEqual([row?.failure?.known, row?.done], ['unknown', 0]);
    });
  }

  it('gives up an operation that does not answer in time, and answers in time itself', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ attemptMs: 200, retries: 1, callerMs: 5_000 })];
    const signals: boolean[] = [];
    stage.probe = (point, operation) => {
      if (point !== 'before' || operation.branch !== 'to') return Promise.resolve();
      return new Promise((_, reject) => {
        operation.signal.addEventListener('abort', () => {
          signals.push(true);
          reject(new Error('given up'));
        });
      });
    };
    const answer = await table.run(gid, transfer());
    assert.deepEqual([answer.answer, 'failure' in answer && answer.failure?.type], ['pending', 'Timeout']);
    assert.equal(signals.length, 2);
  });

  it('calls nothing more when its time is over, or nobody waits any more', async () => {
    const table = stage.table();
    const first = await table.run(stage.newGid(), transfer(), { withinMs: 1 });
    assert.deepEqual([first.answer, 'failure' in first && first.failure?.type], ['pending', 'OutOfTime']);
    const gid = stage.newGid();
    assert.equal((await table.run(gid, transfer(), { signal: AbortSignal.abort() })).answer, 'pending');
    assert.deepEqual(await stage.effects(gid), none);
  });

  it('refuses the same gid with another list, whatever has become of the first', async () => {
    const [gid, table] = [stage.newGid(), stage.table()];
    await table.run(gid, transfer());
    await assert.rejects(table.run(gid, transfer({ amount: 6 })), StateTableConflict);
    await assert.rejects(table.run(gid, transfer().reverse()), StateTableConflict);
    assert.deepEqual(await stage.effects(gid), both);
    // For people: no part of what is asked.
    const told = transfer().map((call) => ({ ...call, summary: 'told otherwise' }));
    assert.equal((await table.run(gid, told)).answer, 'success');
  });

  it('says what is wrong with a list, and stores nothing', async () => {
    const table = stage.table();
    const [from, to] = transfer();
    assert.ok(from && to);
    for (const [gid, calls, rule] of [
      ['', [from], /a gid has 1 to 900 bytes/],
      ['wrong', [], /0 of them: give 1 to 26/],
      ['wrong', [from, { ...to, branch: 'from' }], /branch 'from': each has a name of its own/],
      ['wrong', [{ ...from, operation: 'a.give' as never }], /no operation 'a.give': give one of a.take, b.put/],
      ['wrong', [{ ...from, input: { amount: NaN } }], /JSON does not carry an input: 'amount' is "NaN"/],
    ] as const) {
      await assert.rejects(table.run(gid, calls), rule);
    }
    assert.equal(await table.look('wrong'), undefined);
    assert.throws(() => stage.table({ rounds: 0 }), /rounds of a state table must be a whole number, 1 at least/);
  });

  it('two callers at once do it once, and both hear so', async () => {
    const table = stage.table();
    for (let time = 0; time < 10; time++) {
      const gid = stage.newGid();
      const answers = await Promise.all([1, 2, 3].map(() => table.run(gid, transfer())));
      assert.deepEqual(
        answers.map(({ answer }) => answer),
        ['success', 'success', 'success'],
      );
      assert.deepEqual(await stage.effects(gid), both);
    }
  });

  for (const party of ['a', 'b'] as const) {
    it(`answers pending while the database of ${party} is gone, and goes on when it is back`, async () => {
      const [gid, table] = [stage.newGid(), stage.table()];
      await stage[party].gone();
      try {
        assert.equal((await table.run(gid, transfer())).answer, 'pending');
      } finally {
        await stage[party].back();
      }
      assert.equal((await table.run(gid, transfer())).answer, 'success');
      assert.deepEqual(await stage.effects(gid), both);
    });
  }

  it('answers pending while its own database is gone: what an earlier call has begun is not known', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ retries: 0 })];
    stage.probe = failing('b.put', 'before');
    await table.run(gid, transfer());
    stage.probe = undefined;
    await stage.caller.gone();
    try {
      const answer = await table.run(gid, transfer());
      assert.deepEqual(
        [answer.answer, 'stored' in answer && answer.stored, 'failure' in answer && answer.failure?.type],
        ['pending', false, 'TableUnavailable'],
      );
    } finally {
      await stage.caller.back();
    }
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
    assert.equal((await table.run(gid, transfer())).answer, 'success');
    assert.deepEqual(await stage.effects(gid), both);
  });

  it('says that nothing was begun while its own database is gone, of a gid that is new', async () => {
    const [gid, table] = [stage.newGid(), stage.table()];
    await stage.caller.gone();
    try {
      await assert.rejects(table.run(gid, transfer(), { isNew: true }), (error) => {
        assert.ok(error instanceof StateTableUnavailable);
        assert.match(error.message, /nothing of state-\d+ was stored or called$/);
        return true;
      });
    } finally {
      await stage.caller.back();
    }
    assert.deepEqual(await stage.effects(gid), none);
    assert.equal(await table.look(gid), undefined);
  });

  it('answers pending when it is not known whether its row was stored; asked again it goes on', async () => {
    const gid = stage.newGid();
    let isLost = true;
    const { db } = stage.caller;
    const run: Database['run'] = async (text, values, timeoutMs) => {
      const rows = await db.run(text, values, timeoutMs);
      if (!isLost) return rows as never;
      isLost = false;
      throw new Error('the connection broke');
    };
    const table = stage.table({ database: { ...db, run } });
    const answer = await table.run(gid, transfer());
    assert.deepEqual([answer.answer, 'stored' in answer && answer.stored], ['pending', false]);
    assert.deepEqual(await stage.effects(gid), none);
    assert.equal((await table.run(gid, transfer())).answer, 'success');
    assert.deepEqual(await stage.effects(gid), both);
  });

  it('answers pending when its own database goes while it calls: what it knows is not written', async () => {
    const [gid, table] = [stage.newGid(), stage.table({ statementMs: 2_000 })];
    stage.probe = async (point, operation) => {
      if (point === 'committed' && operation.branch === 'from') await stage.caller.gone();
    };
    try {
      const answer = await table.run(gid, transfer());
      assert.deepEqual([answer.answer, 'failure' in answer && answer.failure?.type], ['pending', 'TableUnavailable']);
    } finally {
      await stage.caller.back();
    }
    assert.deepEqual(await stage.effects(gid), { a: -5, b: 0 });
    stage.probe = undefined;
    assert.equal((await table.run(gid, transfer())).answer, 'success');
    assert.deepEqual(await stage.effects(gid), both);
  });
});
