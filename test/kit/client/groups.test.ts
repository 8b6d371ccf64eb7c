import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type WorkflowStartInput, type Connection } from '@temporalio/client';
import {
  NotStarted,
  transactionClient,
  TransactionPending,
  TransactionTerminated,
  type GroupOptions,
  type TransactionContract,
} from '../../../src/kit/client/index.js';
import { Groups } from '../../../src/kit/client/group.js';
import type { SagaCall } from '../../../src/kit/workflow/saga/definition.js';
import { temporalAddress } from '../../support/servers.js';
import { tripContract, type Trip } from './support.js';
import { connectTo } from '../../support/connection.js';

const grouped = { lane: 'grouped' } as const;

describe('calls that wait for a group', () => {
  // No worker serves it: what is started does not end.
  const taskQueue = `groups-${randomUUID()}`;
  let connection: Connection;
  before(async () => {
    connection = await connectTo(await temporalAddress());
  });
  after(() => connection.close());

  /** A client of its own, and the groups that it has asked the server to start. */
  const caller = (groups: GroupOptions, onStart: () => Promise<void> = () => Promise.resolve()) => {
    const asked: { readonly group: string; readonly ids: string[] }[] = [];
    const client = new Client({
      connection,
      interceptors: {
        workflow: [
          {
            startWithDetails: async (input: WorkflowStartInput, next) => {
              const { group } = (input.options.args[1] ?? {}) as SagaCall;
              const ids = group?.members.map(({ gid }) => gid.replace('trip-', '')) ?? [];
              asked.push({ group: input.options.workflowId, ids });
              await onStart();
              return next(input);
            },
          },
        ],
      },
    });
    const end = (which: number) => client.workflow.getHandle(asked[which]?.group ?? '').terminate('a test');
    const transactions = transactionClient(client, { taskQueue, groups });
    return { client, transactions, bookTrip: transactions.of(tripContract), asked, end };
  };
  const newId = () => randomUUID().slice(0, 8);

  it('no longer than their callers: these hear that nothing was started, and nothing is', async () => {
    const { bookTrip, asked, end } = caller({ size: 1, atATime: 1 });
    const [one, two, three] = [newId(), newId(), newId()];
    const [first, second] = await Promise.allSettled(
      [one, two].map((id) => bookTrip({ id }, { ...grouped, wait: 300 })),
    );
    assert.ok(first?.status === 'rejected' && first.reason instanceof TransactionPending);
    assert.ok(second?.status === 'rejected' && second.reason instanceof NotStarted);
    assert.equal(second.reason.gid, `trip-${two}`);
    assert.match(second.reason.message, /^trip-\w+ was not started: /);
    const third = bookTrip.start({ id: three }, grouped);
    await end(0);
    await third;
    assert.deepEqual(
      asked.map(({ ids }) => ids),
      [[one], [three]],
    );
    await end(1);
  });

  it('for as long as one of two callers of a gid waits', async () => {
    const { bookTrip, asked, end } = caller({ size: 2, delayMs: 500 });
    const id = newId();
    const patient = bookTrip.start({ id }, grouped);
    // It is not for this caller to say that nothing is started.
    await assert.rejects(bookTrip({ id }, { ...grouped, wait: 1 }), TransactionPending);
    await patient;
    assert.deepEqual(asked[0]?.ids, [id]);
    await end(0);
  });

  it('though none of them waits any more, if one was told that it goes on', async () => {
    const { bookTrip, asked, end } = caller({ size: 2, delayMs: 2_000 });
    const id = newId();
    const waits = [100, 1].map((wait) => assert.rejects(bookTrip({ id }, { ...grouped, wait }), TransactionPending));
    await Promise.all(waits);
    assert.deepEqual(asked, []);
    while (asked.length === 0) await sleep(10);
    await bookTrip.start({ id }, grouped);
    assert.deepEqual(
      asked.map(({ ids }) => ids),
      [[id]],
    );
    await end(0);
  });

  it('leave room for others when they are given up', async () => {
    const { bookTrip, asked, end } = caller({ size: 1, atATime: 1, waiting: 1 });
    const running = bookTrip.start({ id: newId() }, grouped);
    await running;
    const late = { ...grouped, wait: 200 };
    const waiting = bookTrip({ id: newId() }, late);
    await assert.rejects(bookTrip({ id: newId() }, grouped), NotStarted);
    await assert.rejects(waiting, NotStarted);
    await assert.rejects(bookTrip({ id: newId() }, late), /its time was over/);
    assert.equal(asked.length, 1);
    await end(0);
    await assert.rejects((await running).result(), TransactionTerminated);
  });

  it('no longer than a while for the place of one that takes long', async () => {
    const { client, asked, end } = caller({});
    const groups = new Groups({ client, taskQueue, eagerStart: false }, { size: 1, atATime: 1 }, 200);
    const join = (gid: string) => groups.join('bookTrip', undefined, { gid, input: null, inputHash: 'hash' });
    const until = Date.now() + 60_000;
    const joined = [newId(), newId(), newId()].map(join);
    // None of them ends.
    for (const each of joined) await each.started(until);
    assert.equal(asked.length, 3);
    const ends = joined.map(({ outcome }) => assert.rejects(outcome, TransactionTerminated));
    await Promise.all([0, 1, 2].map(end));
    await Promise.all(ends);
  });

  it('are told of one that is being started only when the server has answered', async () => {
    const { bookTrip, asked, end } = caller({ size: 1 }, () => sleep(100));
    await assert.rejects(bookTrip({ id: newId() }, { ...grouped, wait: 20 }), TransactionPending);
    assert.equal(asked.length, 1);
    await end(0);
  });

  describe('are others than what could not leave it', () => {
    const long = { ...tripContract, gid: ({ id }: Trip) => id };
    const cases: [string, TransactionContract<Trip, Trip, unknown>, (id: string) => Trip][] = [
      ['a zero character', tripContract, (id) => ({ id, fail: { '\0': 1 } })],
      ['half of a surrogate pair', tripContract, (id) => ({ id, fail: { '\ud83c': 1 } })],
      ['1.6 MB', tripContract, (id) => ({ id, fail: { ['x'.repeat(1_600_000)]: 1 } })],
      ['a long summary', { ...tripContract, summary: () => 'é'.repeat(200) }, (id) => ({ id })],
      ['long details', { ...tripContract, details: () => 'x'.repeat(20_000) }, (id) => ({ id })],
      ['no gid', { ...long, parse: (given) => given }, () => ({ id: '' })],
      ['a long gid', long, (id) => ({ id: id + 'é'.repeat(500) })],
    ];
    for (const [what, contract, trip] of cases) {
      it(`with ${what}: that is asked for as a workflow of its own`, async () => {
        const { client, transactions, asked } = caller({});
        const given = trip(newId());
        const book = transactions.of(contract);
        // What the server thinks of that it says at once.
        const [started] = await Promise.allSettled([book.start(given, grouped)]);
        await Promise.allSettled([book(given, { ...grouped, wait: 1 })]);
        const gid = contract.gid(given);
        assert.deepEqual(
          asked.map(({ group }) => group),
          gid === '' ? [] : [gid, gid],
        );
        if (gid === '' || what === 'a long gid') assert.equal(started.status, 'rejected');
        if (started.status === 'fulfilled') await client.workflow.getHandle(gid).terminate('a test');
      });
    }

    it('but are those with what only looks like that', async () => {
      const { bookTrip, asked, end } = caller({});
      const id = newId();
      await bookTrip.start({ id, fail: { '\\u0000 \\ud83c \ud83c\udf82': 1 } }, grouped);
      assert.deepEqual(asked[0]?.ids, [id]);
      await end(0);
    });
  });

  it('are gathered by options that make sense', async () => {
    const wrong: GroupOptions[] = [
      ...[0, 201, 1.5, Number.NaN].map((size) => ({ size })),
      ...[-1, Number.NaN, Infinity].map((delayMs) => ({ delayMs })),
      ...[0, Infinity, 10_000_000].map((bytes) => ({ bytes })),
      ...[0, Number.NaN, '2' as never].map((atATime) => ({ atATime })),
      ...[0, -1].map((waiting) => ({ waiting })),
    ];
    for (const options of wrong) {
      for (const [name, value] of Object.entries(options) as [string, unknown][]) {
        assert.throws(() => caller(options), new RegExp(`^TypeError: groups.${name} is ${String(value)}: give `));
      }
    }
    const none = { size: undefined, delayMs: undefined, bytes: undefined, atATime: undefined, waiting: undefined };
    const { bookTrip, end } = caller(none);
    await bookTrip.start({ id: newId() }, grouped);
    await end(0);
  });
});
