import assert from 'node:assert/strict';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import pg from 'pg';
import {
  createGuard,
  createOutbound,
  guardMigrations,
  migrate,
  pgDatabase,
  Rejection,
  type Branch,
  type Guard,
  type Op,
  type Operation,
} from '../../../src/kit/database/index.js';
import { participantActivities } from '../../../src/kit/worker/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';

describe('an activity of a participant', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let guard: Guard;
  let count = 0;

  before(async () => {
    database = await testDatabase('activities');
    pool = new pg.Pool({ connectionString: database.url, max: 5 });
    const db = pgDatabase(pool);
    await migrate(db, 'guard', guardMigrations);
    guard = createGuard(db);
  });
  after(async () => {
    await pool.end();
    await database.drop();
  });

  const newGid = () => `gid-${++count}`;
  /** Runs an operation as a worker does, and returns the failure that Temporal would get. */
  const failureOf = async (
    gid: string,
    op: Op,
    work: (operation: Operation, input: unknown) => Promise<unknown>,
    input: unknown = {},
  ): Promise<ApplicationFailure> => {
    const activities = participantActivities({ shop: { pay: { [op]: work } } }, { who: 'test' });
    const perform = activities[`shop.pay.${op}`];
    assert.ok(perform);
    const branch: Branch = { gid, branch: 'pay', op, scheme: 'saga', seq: 1 };
    try {
      await new MockActivityEnvironment({ startToCloseTimeoutMs: 10_000 }, { logger: new DefaultLogger('ERROR') }).run(
        perform,
        branch,
        input,
      );
    } catch (error) {
      return ApplicationFailure.fromError(error);
    }
    throw new Error('it did not fail');
  };
  const told = ({ type, nonRetryable, details }: ApplicationFailure) => ({
    type,
    nonRetryable,
    details: details ?? [],
  });
  const refuse = () => Promise.reject(new Rejection('NoMoney', 'no'));
  const done = () => Promise.resolve('done');

  it('that the guard refused: is decided, and not tried again; the stored rejection likewise', async () => {
    const gid = newGid();
    const decided = { type: 'NoMoney', nonRetryable: true, details: [{ backstitch: 'rejected' }] };
    const action = (operation: Operation, input: unknown) => guard.apply(operation, input, refuse);
    assert.deepEqual(told(await failureOf(gid, 'action', action)), decided);
    assert.deepEqual(told(await failureOf(gid, 'action', action)), decided);
  });

  it('that throws a rejection which no guard stored: is not decided, and tried again', async () => {
    const undecided = { type: 'NoMoney', nonRetryable: false, details: [] };
    assert.deepEqual(told(await failureOf(newGid(), 'action', refuse)), undecided);
    const gid = newGid();
    await failureOf(gid, 'action', async (operation, input) => {
      await guard.apply(operation, input, done);
      throw new Error('its reply is lost');
    });
    const undo = (operation: Operation, input: unknown) => guard.undo(operation, input, refuse);
    assert.deepEqual(told(await failureOf(gid, 'compensation', undo)), undecided);
  });

  it('that came after its undo: is suspended, and not tried again', async () => {
    const gid = newGid();
    const failure = await failureOf(gid, 'action', async (operation, input) => {
      await guard.undo({ ...operation, op: 'compensation' }, input, done);
      return guard.apply(operation, input, done);
    });
    assert.deepEqual(told(failure), {
      type: 'Suspended',
      nonRetryable: true,
      details: [{ backstitch: 'suspended' }],
    });
  });

  it('whose branch is done with another input: an action is rejected, so that nobody undoes the other; an undo is not', async () => {
    const gid = newGid();
    const twice = async (operation: Operation, input: unknown) => {
      await guard.apply(operation, 'first', done);
      return guard.apply(operation, input, done);
    };
    assert.deepEqual(told(await failureOf(gid, 'action', twice, 'second')), {
      type: 'InputMismatch',
      nonRetryable: true,
      details: [{ backstitch: 'mismatch' }],
    });
    const undo = (operation: Operation, input: unknown) => guard.undo(operation, input, done);
    assert.deepEqual(told(await failureOf(gid, 'compensation', undo, 'second')), {
      type: 'InputMismatch',
      nonRetryable: true,
      details: [],
    });
  });

  it('that is settled: is told apart by its detail, and not tried again', async () => {
    const settle = (operation: Operation, input: unknown) =>
      guard.apply({ ...operation, settle: true }, input, () => Promise.reject(new Error('the work must not run')));
    assert.deepEqual(told(await failureOf(newGid(), 'action', settle)), {
      type: 'Barred',
      nonRetryable: true,
      details: [{ backstitch: 'barred' }],
    });
    const gid = newGid();
    const undone = await failureOf(gid, 'action', async (operation, input) => {
      await guard.apply(operation, input, done);
      await guard.undo({ ...operation, op: 'amends' }, input, done);
      return settle(operation, input);
    });
    assert.deepEqual(told(undone), {
      type: 'Undone',
      nonRetryable: true,
      details: [{ backstitch: 'undone', result: 'done' }],
    });
    assert.equal(undone.category, ApplicationFailureCategory.BENIGN);
  });

  it('that only a person can decide: is not decided, and not tried again', async () => {
    const outbound = createOutbound(pgDatabase(pool), { keys: false });
    const lost = { send: () => Promise.reject(new Error('lost')) };
    const gid = newGid();
    for (const op of ['action', 'compensation'] as const) {
      const failure = await failureOf(gid, op, async (operation, input) => {
        if (op === 'compensation') return outbound.undo(operation, input, lost, lost);
        await assert.rejects(outbound.apply(operation, input, lost), /lost/);
        return outbound.apply(operation, input, lost);
      });
      assert.deepEqual(told(failure), { type: 'Undecidable', nonRetryable: true, details: [] });
    }
  });

  it('that gives up by itself: is tried again, with all that it said', async () => {
    const failure = await failureOf(newGid(), 'action', () =>
      Promise.reject(ApplicationFailure.nonRetryable('no', 'GaveUp', { why: 1 })),
    );
    assert.deepEqual(told(failure), { type: 'GaveUp', nonRetryable: false, details: [{ why: 1 }] });
    assert.equal(failure.message, 'no');
  });
});
