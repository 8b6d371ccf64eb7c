import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import {
  decide,
  GidConflict,
  InvalidInput,
  machineClient,
  ServerNotPrepared,
  ServerUnavailable,
  TransactionCompensated,
  TransactionFailed,
  TransactionPending,
  TransactionTerminated,
} from '../../../src/kit/client/index.js';
import { TX_SCHEME, TX_STATE } from '../../../src/kit/workflow/index.js';
import { openTripWorld, tripClient, type TripWorld } from './support.js';
import { until } from '../../support/until.js';

/** The error that a promise rejects with, of the class that is expected. */
async function rejection<E extends Error>(promise: Promise<unknown>, type: new (...args: never[]) => E): Promise<E> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof type, `expected ${type.name}, got ${String(error)}`);
    assert.doesNotMatch(error.message, /\n/, 'an error of a caller is one line');
    return error;
  }
  assert.fail(`expected ${type.name}`);
}

describe('a transaction as a typed function', () => {
  let world: TripWorld;
  before(async function () {
    this.timeout(120_000);
    world = await openTripWorld();
  });
  after(() => world.close());

  const newId = () => randomUUID().slice(0, 8);
  const callsOf = (id: string) => world.script.calls.filter((call) => call.startsWith(id));

  describe('starting', () => {
    it('resolves to the result when it is committed', async () => {
      const id = newId();
      assert.deepEqual(await world.bookTrip({ id }), { booked: `room of ${id}` });
    });

    it('can be apart from waiting', async () => {
      const id = newId();
      const started = await world.bookTrip.start({ id });
      assert.deepEqual([started.gid, started.duplicate], [`trip-${id}`, false]);
      assert.deepEqual(await started.result(), { booked: `room of ${id}` });
    });

    it('makes it readable in the Web UI and found by its attributes', async () => {
      const id = newId();
      await world.bookTrip({ id });
      const known = await world.client.workflow.getHandle(`trip-${id}`).describe();
      assert.equal(await known.staticSummary(), `trip ${id}`);
      assert.match((await known.staticDetails()) ?? '', new RegExp(`\\| ${id} \\|`));
      assert.equal(known.typedSearchAttributes.get(TX_SCHEME), 'saga');
      assert.equal(known.typedSearchAttributes.get(TX_STATE), undefined, 'its status says it: Completed');
    });

    it('refuses input that breaks the contract, and starts nothing', async () => {
      const error = await rejection(world.bookTrip({ id: '' }), InvalidInput);
      assert.equal(error.message, 'id: "": must not be empty');
      assert.deepEqual(error.issues, [{ field: 'id', value: '', rule: 'must not be empty' }]);
      await assert.rejects(world.client.workflow.getHandle('trip-').describe());
    });

    it('takes overrides for one call', async () => {
      const id = newId();
      void world.script.hold(id, 'car.rent.action');
      const call = world.bookTrip({ id }, { deadline: 300 });
      const { report } = await rejection(call, TransactionCompensated);
      assert.equal(report.cause.type, 'DeadlineExceeded');
    });
  });

  describe('a duplicate', () => {
    it('gets the outcome of the first, which is still running', async () => {
      const id = newId();
      const reached = world.script.hold(id, 'car.rent.action');
      const first = world.bookTrip({ id });
      await reached;
      const second = await world.bookTrip.start({ id });
      assert.equal(second.duplicate, true);
      const both = Promise.all([first, second.result()]);
      world.script.release(id, 'car.rent.action');
      assert.deepEqual(await both, [{ booked: `room of ${id}` }, { booked: `room of ${id}` }]);
      assert.equal(callsOf(id).length, 3);
    });

    it('gets the outcome of the first, which has ended', async () => {
      const id = newId();
      const first = await rejection(world.bookTrip({ id, noCar: true }), TransactionCompensated);
      const second = await rejection(world.bookTrip({ id, noCar: true }), TransactionCompensated);
      assert.deepEqual(second.report, first.report);
      assert.equal(callsOf(id).length, 3);
    });

    it('of ten at once runs once', async () => {
      const id = newId();
      const results = await Promise.all(Array.from({ length: 10 }, () => world.bookTrip({ id })));
      assert.equal(new Set(results.map(({ booked }) => booked)).size, 1);
      assert.equal(callsOf(id).length, 3);
    });

    it('with other content is refused, running or ended; the order of fields is no content', async () => {
      const id = newId();
      const fail = { 'car.rent.action': 1, 'hotel.book.action': 0 };
      await world.bookTrip({ id, fail });
      const conflict = await rejection(world.bookTrip({ id, noCar: true }), GidConflict);
      assert.match(conflict.message, /was started before with other content: nothing was started/);
      assert.equal(conflict.gid, `trip-${id}`);
      await rejection(world.bookTrip({ id, noCar: true }, { undo: 'background' }), GidConflict);
      await world.bookTrip({ fail: { 'hotel.book.action': 0, 'car.rent.action': 1 }, id });
    });

    it('of something that is no such transaction is refused', async () => {
      const id = newId();
      const { taskQueue } = world;
      await world.client.workflow.execute('somethingElse', { workflowId: `trip-${id}`, taskQueue });
      const conflict = await rejection(world.bookTrip({ id }), GidConflict);
      assert.match(conflict.message, /as a run of 'somethingElse'/);
    });
  });

  describe('not committed', () => {
    it('because it was undone: says why, and what was undone', async () => {
      const id = newId();
      const error = await rejection(world.bookTrip({ id, noCar: true }), TransactionCompensated);
      assert.equal(error.gid, `trip-${id}`);
      assert.deepEqual(error.report.cause, {
        step: 'car',
        knowledge: 'rejected',
        type: 'NoCar',
        message: 'all cars are taken',
      });
      assert.deepEqual([error.report.undone, error.report.notUndone], [['hotel'], []]);
      assert.match(error.message, /was undone: car: NoCar: all cars are taken; undone: hotel/);
    });

    it('and not undone: the caller hears that it waits for a person, and at its end what was left', async () => {
      const id = newId();
      const trip = { id, noCar: true, fail: { 'hotel.book.compensation': 1_000 } };
      const pending = await rejection(world.bookTrip(trip, { compensationWindow: 1_000 }), TransactionPending);
      assert.equal(pending.state, 'stuck');
      assert.match(pending.message, /it waits for a person: backstitch desk show trip-/);
      await decide(world.client, `trip-${id}`, { branch: 'hotel', action: 'skip', actor: 'ann', reason: 'a test' });
      const error = await rejection(world.bookTrip(trip), TransactionFailed);
      assert.deepEqual(
        error.report.notUndone.map(({ step }) => step),
        ['hotel'],
      );
      assert.match(error.message, /NOT undone: hotel/);
    });

    it('because an operator ended its run: says so, to duplicates too', async () => {
      const id = newId();
      const reached = world.script.hold(id, 'car.rent.action');
      const first = world.bookTrip({ id });
      const ended = rejection(first, TransactionTerminated);
      await reached;
      await world.client.workflow.getHandle(`trip-${id}`).terminate('by hand');
      const error = await ended;
      assert.deepEqual([error.gid, error.how], [`trip-${id}`, 'terminated']);
      assert.match(error.message, /by hand/);
      await rejection(world.bookTrip({ id }), TransactionTerminated);
      await rejection(world.bookTrip({ id }, { undo: 'background' }), TransactionTerminated);
      world.script.release(id, 'car.rent.action');
    });
  });

  describe('undo in the background', () => {
    it('answers when the decision is durable, while the undo runs on', async () => {
      const id = newId();
      const trip = { id, noCar: true };
      void world.script.hold(id, 'hotel.book.compensation');
      const error = await rejection(world.bookTrip(trip, { undo: 'background' }), TransactionPending);
      assert.deepEqual([error.gid, error.state, error.noWorker], [`trip-${id}`, 'compensating', false]);
      assert.equal(error.report?.cause.type, 'NoCar');
      assert.match(error.message, /will be undone \(car: NoCar: all cars are taken\)/);
      // A second caller gets the same answer while it is so …
      await rejection(world.bookTrip(trip, { undo: 'background' }), TransactionPending);
      world.script.release(id, 'hotel.book.compensation');
      await rejection(world.bookTrip(trip), TransactionCompensated);
      // … and the outcome when there is one.
      await rejection(world.bookTrip(trip, { undo: 'background' }), TransactionCompensated);
    });

    it('answers though the transaction is cancelled while the decision is waited for', async () => {
      const id = newId();
      const held = world.script.hold(id, 'car.rent.action');
      const asked = world.bookTrip({ id }, { undo: 'background' }).catch((error: unknown) => error);
      await held;
      const handle = world.client.workflow.getHandle(`trip-${id}`);
      const heard = async () =>
        (await handle.fetchHistory()).events?.some((event) => event.workflowExecutionUpdateAcceptedEventAttributes) ??
        false;
      await until(heard);
      await handle.cancel();
      world.script.release(id, 'car.rent.action');
      // Whether the undo is done already when the answer comes.
      const error = await asked;
      assert.ok(error instanceof TransactionPending || error instanceof TransactionCompensated, String(error));
      assert.equal(error.report?.cause.type, 'Cancelled');
    });

    it('changes nothing for what is committed', async () => {
      const id = newId();
      assert.deepEqual(await world.bookTrip({ id }, { undo: 'background' }), { booked: `room of ${id}` });
      assert.deepEqual(await world.bookTrip({ id }, { undo: 'background' }), { booked: `room of ${id}` });
      assert.equal(callsOf(id).length, 3);
    });
  });

  describe('waiting', () => {
    it('has a limit; the transaction goes on', async () => {
      const id = newId();
      const reached = world.script.hold(id, 'car.rent.action');
      const first = await world.bookTrip.start({ id });
      await reached;
      const error = await rejection(first.result({ wait: 200 }), TransactionPending);
      assert.deepEqual([error.state, error.noWorker, error.report], ['running', false, undefined]);
      await rejection(world.bookTrip({ id }, { wait: 200 }), TransactionPending);
      await rejection(world.bookTrip({ id }, { wait: 500, undo: 'background' }), TransactionPending);
      world.script.release(id, 'car.rent.action');
      assert.deepEqual(await first.result(), { booked: `room of ${id}` });
    });

    it('says that no worker serves, if none does', async () => {
      const unserved = tripClient(world.client, `unserved-${newId()}`);
      for (const undo of ['wait', 'background'] as const) {
        const error = await rejection(unserved({ id: newId() }, { wait: 500, undo }), TransactionPending);
        assert.equal(error.noWorker, true);
        assert.match(error.message, /no worker serves task queue 'unserved-/);
      }
    });
  });

  describe('a server', () => {
    it('that cannot be reached is told in one line with its address', async () => {
      // Without the SDK's own retries, which take 20 s.
      const connection = Connection.lazy({ address: '127.0.0.1:1', interceptors: [] });
      const error = await rejection(tripClient(new Client({ connection }), 'q')({ id: 'x' }), ServerUnavailable);
      assert.equal(error.address, '127.0.0.1:1');
      assert.match(error.message, /the Temporal server at 127\.0\.0\.1:1 cannot be reached/);
      await connection.close();
    });

    it('that breaks off what it was asked is told in one line with its address', async () => {
      const server = createServer();
      // What a server says that stops, or has lost whom it asked in turn.
      server.on('stream', (stream) => {
        const trailers = { 'grpc-status': '1', 'grpc-message': 'context canceled' };
        stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const connection = Connection.lazy({ address, interceptors: [] });
      const error = await rejection(
        machineClient(new Client({ connection }), { taskQueue: 'q' }, { workflow: 'w', machine: {} }).view('x'),
        ServerUnavailable,
      );
      assert.equal(error.message, `the Temporal server at ${address} broke off the call: start it, or name another`);
      await connection.close();
      server.close();
    });

    it('without the namespace is told so', async () => {
      const client = new Client({ connection: world.client.connection, namespace: 'nowhere' });
      const error = await rejection(tripClient(client, 'q')({ id: 'x' }), ServerNotPrepared);
      assert.match(error.message, /has no namespace 'nowhere'/);
    });
  });
});
