import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  listTransactions,
  showTransaction,
  TransactionNotFound,
  type ListedTransaction,
  type ListOptions,
} from '../../../src/kit/client/index.js';
import { openTripWorld, type TripWorld } from './support.js';

describe('finding transactions', () => {
  let world: TripWorld;
  before(async function () {
    this.timeout(120_000);
    world = await openTripWorld();
  });
  after(() => world.close());

  const newId = () => randomUUID().slice(0, 8);
  const ended = (call: Promise<unknown>) => call.catch(() => undefined);

  /** The list, as soon as it has what is expected: it follows the histories with a delay. */
  async function listed(options: Partial<ListOptions>, gid: string): Promise<ListedTransaction> {
    const until = Date.now() + 20_000;
    for (;;) {
      for await (const found of listTransactions(world.client, { limit: 1_000, ...options })) {
        if (found.gid === gid) return found;
      }
      assert.ok(Date.now() < until, `${gid} is not in the list of ${JSON.stringify(options)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  describe('in a list', () => {
    it('are those of a state, a scheme, and a time', async () => {
      const [placed, refused] = [newId(), newId()];
      const before = new Date();
      await world.bookTrip({ id: placed });
      await ended(world.bookTrip({ id: refused, noCar: true }));
      const found = await listed({ state: 'committed', scheme: 'saga', since: before }, `trip-${placed}`);
      assert.deepEqual([found.state, found.scheme, found.transaction], ['committed', 'saga', 'bookTrip']);
      assert.ok(Date.parse(found.endedAt ?? '') >= Date.parse(found.startedAt));
      assert.equal((await listed({ state: 'compensated' }, `trip-${refused}`)).state, 'compensated');
      for await (const { state } of listTransactions(world.client, { limit: 100, state: 'compensated' })) {
        assert.equal(state, 'compensated');
      }
      for await (const { gid } of listTransactions(world.client, { limit: 100, scheme: 'message' })) assert.fail(gid);
      const since = new Date(Date.now() + 60_000);
      for await (const { gid } of listTransactions(world.client, { limit: 100, since })) assert.fail(gid);
    });

    it('are no more than are asked for, over any number of pages', async () => {
      const ids = Array.from({ length: 5 }, newId);
      await Promise.all(ids.map((id) => world.bookTrip({ id })));
      for (const id of ids) await listed({}, `trip-${id}`);
      const gids = new Set<string>();
      for await (const { gid } of listTransactions(world.client, { limit: 4 })) gids.add(gid);
      assert.equal(gids.size, 4);
    });

    it('those whose run was terminated are shown as such, and not as running', async () => {
      const id = newId();
      const reached = world.script.hold(id, 'car.rent.action');
      const call = ended(world.bookTrip({ id }));
      await reached;
      assert.equal((await listed({ state: 'running' }, `trip-${id}`)).state, 'running');
      await world.client.workflow.getHandle(`trip-${id}`).terminate('by hand');
      await call;
      assert.equal((await listed({ state: 'terminated' }, `trip-${id}`)).state, 'terminated');
      for await (const { gid } of listTransactions(world.client, { limit: 1_000, state: 'running' })) {
        assert.notEqual(gid, `trip-${id}`);
      }
      const shown = await showTransaction(world.client, `trip-${id}`);
      assert.equal(shown.state, 'terminated');
      assert.match(shown.ended?.message ?? '', /^by hand/);
      world.script.release(id, 'car.rent.action');
    });
  });

  describe('one, shown', () => {
    for (const lane of ['durable', 'lean'] as const) {
      it(`has its branches with every operation asked of them, in the ${lane} lane`, async () => {
        const id = newId();
        const fail = { 'hotel.book.action': 1, 'hotel.book.compensation': 2 };
        await ended(world.bookTrip({ id, noCar: true, fail }, { lane }));
        const shown = await showTransaction(world.client, `trip-${id}`);
        assert.deepEqual(
          [shown.gid, shown.state, shown.lane, shown.transaction, shown.summary, shown.workerAnswered],
          [`trip-${id}`, 'compensated', lane, 'bookTrip', `trip ${id}`, true],
        );
        assert.equal(shown.report?.cause.type, 'NoCar');
        const [hotel, car, ...rest] = shown.branches;
        assert.ok(hotel && car && rest.length === 0);
        assert.deepEqual(
          [hotel.branch, hotel.seq, hotel.operation, hotel.summary, hotel.state, hotel.then],
          ['hotel', 1, 'hotel.book', `a room for ${id}`, 'succeeded', { op: 'compensation', state: 'done' }],
        );
        assert.deepEqual(
          hotel.calls.map((call) => [call.op, call.function, call.state, call.attempts]),
          [
            ['action', 'hotel.book.action', 'succeeded', 2],
            ['compensation', 'hotel.book.compensation', 'succeeded', 3],
          ],
        );
        assert.match(hotel.calls[1]?.lastFailure?.message ?? '', /attempt 2 of hotel.book.compensation fails/);
        assert.deepEqual([car.branch, car.state, car.then], ['car', 'rejected', undefined]);
        assert.deepEqual(car.calls[0]?.failure, { type: 'NoCar', message: 'all cars are taken' });
        for (const { startedAt, endedAt } of [shown, ...hotel.calls, ...car.calls]) {
          assert.ok(Date.parse(endedAt ?? '') >= Date.parse(startedAt), `${startedAt} … ${endedAt}`);
        }
      });
    }

    it('while it runs: what is running, what waits for its next attempt and why', async () => {
      const [id, flaky] = [newId(), newId()];
      const reached = world.script.hold(id, 'car.rent.action');
      const fail = { 'hotel.book.compensation': 4 };
      const calls = [ended(world.bookTrip({ id })), ended(world.bookTrip({ id: flaky, noCar: true, fail }))];
      await reached;
      const shown = await showTransaction(world.client, `trip-${id}`);
      assert.deepEqual([shown.state, shown.endedAt, shown.result], ['running', undefined, undefined]);
      const [call] = shown.branches[1]?.calls ?? [];
      assert.deepEqual([call?.state, call?.attempts, call?.endedAt], ['running', 1, undefined]);

      for (let state; state !== 'waiting';) {
        const { branches } = await showTransaction(world.client, `trip-${flaky}`);
        const undo = branches[0]?.calls[1];
        assert.notEqual(undo?.endedAt !== undefined, true, 'it ended before it was seen waiting');
        state = undo?.failure && undo.state;
        if (state === 'waiting') {
          assert.match(undo?.failure?.message ?? '', /of hotel.book.compensation fails/);
          assert.ok(undo?.nextAttemptAt);
          assert.deepEqual(branches[0]?.then, { op: 'compensation', state: 'running' });
        }
      }
      world.script.release(id, 'car.rent.action');
      await Promise.all(calls);
      const { result } = await showTransaction(world.client, `trip-${id}`);
      assert.deepEqual(result, { booked: `room of ${id}` });
    });

    it('that is unknown, or no transaction, is told in one line', async () => {
      const unknown = { name: 'TransactionNotFound', message: "no transaction none in namespace 'default'" };
      await assert.rejects(showTransaction(world.client, 'none'), unknown);
      const workflowId = newId();
      await world.client.workflow.execute('somethingElse', { workflowId, taskQueue: world.taskQueue });
      await assert.rejects(showTransaction(world.client, workflowId), TransactionNotFound);
    });

    it('without any worker is what the server knows, and says that none answered', async () => {
      const other = await openTripWorld();
      const id = newId();
      try {
        await ended(other.bookTrip({ id, noCar: true }, { lane: 'lean' }));
        await other.stopWorker();
        const shown = await showTransaction(other.client, `trip-${id}`);
        assert.equal(shown.workerAnswered, false);
        assert.deepEqual([shown.state, shown.lane], ['compensated', 'lean']);
        assert.deepEqual(
          shown.branches.map(({ branch, state }) => [branch, state]),
          [
            ['hotel', 'succeeded'],
            ['car.rent', 'rejected'], // a local activity is recorded without the name of its branch
          ],
        );
      } finally {
        await other.close();
      }
    });

    it('in the lean lane has a slow step as the two activities that it was, and those after it where they belong', async () => {
      const other = await openTripWorld();
      const id = newId();
      try {
        const reached = other.script.hold(id, 'hotel.book.action');
        const call = ended(other.bookTrip({ id, noCar: true }, { lane: 'lean' }));
        await reached;
        for (let calls = 0; calls < 2;) {
          const { branches } = await showTransaction(other.client, `trip-${id}`);
          calls = branches[0]?.calls.length ?? 0;
        }
        other.script.release(id, 'hotel.book.action');
        await call;
        await other.stopWorker();
        const { branches } = await showTransaction(other.client, `trip-${id}`);
        assert.deepEqual(
          branches.map(({ branch, seq, state, calls }) => [branch, seq, state, ...calls.map((each) => each.state)]),
          [
            ['hotel', 1, 'succeeded', 'unknown', 'succeeded', 'succeeded'],
            ['car.rent', 2, 'rejected', 'rejected'],
          ],
        );
      } finally {
        await other.close();
      }
    });
  });
});
