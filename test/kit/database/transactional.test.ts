import assert from 'node:assert/strict';
import {
  CallRefused,
  createGuard,
  InputMismatch,
  Rejection,
  Suspended,
  transactional,
  UndoFailed,
  type Probe,
  type Sql,
} from '../../../src/kit/database/index.js';
import { newGid, op, Stage } from './support/stage.js';
import { until } from '../../support/until.js';

/** An existing service: it knows its `sql`, and nothing of transactions. */
class Accounts {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async put(account: string, amount: number): Promise<{ put: number }> {
    await this.#sql('insert into ledger (gid, amount) values ($1, $2)', [account, amount]);
    if (amount > 1_000) throw new Rejection('TooMuch', `${amount} is more than 1000`);
    return { put: amount };
  }

  async tell(account: string): Promise<string> {
    await this.put(account, 100);
    return 'told';
  }

  async close(account: string): Promise<void> {
    await this.put(account, 1_000);
  }
}

describe('a transactional service', () => {
  const stage = new Stage();
  /** What fails next, of the functions with this name. */
  let faults: Record<string, Parameters<Probe>[0] | undefined>;
  beforeEach(() => (faults = {}));

  const probe: Probe = (point, { function: name }) =>
    faults[name] === point ? Promise.reject(new Error(`${name} broke`)) : Promise.resolve();
  const open = () =>
    transactional(
      createGuard(stage.db, { probe }),
      (sql) => new Accounts(sql),
      {
        put: { compensation: (accounts, [account], { put }) => accounts.put(account, -put) },
        tell: { amends: (accounts, [account], told) => accounts.put(account, told.length) },
        close: {},
      },
      { name: 'accounts', who: 'me' },
    );
  const statuses = ({ calls }: { calls: readonly { branch: string; status: string }[] }) =>
    calls.map(({ branch, status }) => `${branch} ${status}`);
  const rows = async (gid: string) => {
    const text = `select branch, phase, op, outcome, function, seq, input, driver, who, attempt
      from backstitch.guard where gid = $1 order by seq, phase`;
    return (await stage.pool.query<Record<string, unknown>>(text, [gid])).rows;
  };

  describe('as a participant', () => {
    it('does a method once under the guard, and undoes it with its arguments and its result', async () => {
      const gid = newGid();
      const { put } = open().participant;
      assert.deepEqual(await put.action(op(gid, 'action'), [gid, 7]), { put: 7 });
      assert.deepEqual(await put.action(op(gid, 'action'), [gid, 7]), { put: 7 });
      assert.equal(await stage.net(gid), 7);
      await put.compensation(op(gid, 'compensation'), [gid, 7], undefined);
      await put.compensation(op(gid, 'compensation'), [gid, 7], { put: 7 });
      assert.equal(await stage.net(gid), 0);
      await assert.rejects(put.action(op(gid, 'action'), [gid, 7]), Suspended);
    });

    it('bars by its undo a method that has not come yet', async () => {
      const gid = newGid();
      const { put } = open().participant;
      assert.equal(await put.compensation(op(gid, 'compensation'), [gid, 7], undefined), undefined);
      await assert.rejects(put.action(op(gid, 'action'), [gid, 7]), Suspended);
      assert.equal(await stage.net(gid), 0);
    });

    it('gives amends, and nothing to a method that only goes forward', async () => {
      const gid = newGid();
      const { tell, close, ...others } = open().participant;
      assert.equal(await tell.action(op(gid, 'action'), [gid]), 'told');
      await tell.amends(op(gid, 'amends'), [gid], undefined);
      assert.equal(await stage.net(gid), 104);
      assert.equal((await stage.row(gid, 2))?.op, 'amends');
      assert.deepEqual(
        [tell, close, ...Object.values(others)].map((functions) => Object.keys(functions)),
        [['action', 'amends'], ['action'], ['action', 'compensation']],
      );
    });

    it('makes a rejection of the method durable', async () => {
      const gid = newGid();
      const { put } = open().participant;
      for (let attempt = 1; attempt <= 2; attempt++) {
        await assert.rejects(put.action(op(gid, 'action', { attempt }), [gid, 1_001]), { type: 'TooMuch' });
      }
      assert.equal(await stage.net(gid), 0);
      assert.equal((await stage.row(gid, 1))?.outcome, 'rejected');
    });

    it('refuses an input that is no list of arguments', async () => {
      const [gid, other] = [newGid(), newGid()];
      const { put } = open().participant;
      const person = { account: gid, amount: 7 } as never;
      await assert.rejects(put.action(op(gid, 'action'), person), {
        type: 'InvalidInput',
        message: 'the input of put must be the list of its arguments',
      });
      await put.action(op(other, 'action'), [other, 7]);
      const corrected = op(other, 'compensation', { corrected: true });
      await assert.rejects(put.compensation(corrected, person, { put: 7 }), /must be the list of its arguments/);
      assert.equal(await stage.net(other), 7);
    });
  });

  describe('begun without a workflow', () => {
    it('makes each call a branch of its own, in the order of calls, and records it in the guard', async () => {
      const begun = open().begin(newGid());
      const { gid, service } = begun;
      assert.deepEqual(await service.put(gid, 1), { put: 1 });
      assert.equal(await service.tell(gid), 'told');
      assert.deepEqual(await service.put(gid, 1), { put: 1 });
      assert.equal(await stage.net(gid), 102);
      assert.deepEqual(begun.calls, [
        { branch: 'put#1', method: 'put', args: [gid, 1], status: 'succeeded' },
        { branch: 'tell#2', method: 'tell', args: [gid], status: 'succeeded' },
        { branch: 'put#3', method: 'put', args: [gid, 1], status: 'succeeded' },
      ]);
      const of = (branch: string, method: string, seq: number, input: unknown[]) => ({
        ...{ branch, phase: 1, op: 'action', outcome: 'applied', function: `accounts.${method}.action`, seq, input },
        ...{ driver: 'process:me', who: 'me', attempt: 1 },
      });
      assert.deepEqual(await rows(gid), [
        of('put#1', 'put', 1, [gid, 1]),
        of('tell#2', 'tell', 2, [gid]),
        of('put#3', 'put', 3, [gid, 1]),
      ]);
    });

    it('makes a gid where none is given', () => {
      const { begin } = open();
      const [one, two] = [begin().gid, begin().gid];
      assert.match(one, /^[0-9a-f-]{36}$/);
      assert.notEqual(one, two);
      assert.throws(() => begin(''), /a gid is a text that is not empty/);
    });

    it('undoes the newest first, by compensation or amends, and once: undone again, nothing more happens', async () => {
      const begun = open().begin(newGid());
      const { gid, service } = begun;
      await service.put(gid, 1);
      await service.tell(gid);
      await service.put(gid, 20);
      await Promise.all([begun.undo(), begun.undo()]);
      await begun.undo();
      assert.equal(await stage.net(gid), 104, 'what was told stays told, and is made good');
      assert.deepEqual(statuses(begun), ['put#1 undone', 'tell#2 undone', 'put#3 undone']);
      const text = 'select branch, op, attempt from backstitch.guard where gid = $1 and phase = 2 order by ended_at';
      const { rows: undos } = await stage.pool.query<{ branch: string; op: string }>(text, [gid]);
      assert.deepEqual(
        undos.map(({ branch, op: name }) => `${branch} ${name}`),
        ['put#3 compensation', 'tell#2 amends', 'put#1 compensation'],
      );
    });

    it('a rejected call has nothing to undo, and others may follow', async () => {
      const begun = open().begin(newGid());
      const { gid, service } = begun;
      await assert.rejects(service.put(gid, 1_001), { name: 'Rejection', type: 'TooMuch' });
      await assert.rejects(service.put(gid, 13), { name: 'Rejection', type: 'ConstraintViolated' });
      await service.put(gid, 5);
      await begun.undo();
      assert.deepEqual(statuses(begun), ['put#1 rejected', 'put#2 rejected', 'put#3 undone']);
      assert.equal(begun.calls[0]?.failure?.type, 'TooMuch');
      assert.equal(await stage.net(gid), 0);
    });

    for (const point of ['worked', 'committed'] as const) {
      it(`a call that failed when it was ${point} is unknown: no call may follow, and its undo leaves nothing`, async () => {
        faults['accounts.put.action'] = point;
        const begun = open().begin(newGid());
        const { gid, service } = begun;
        await assert.rejects(service.put(gid, 3), /accounts.put.action broke/);
        assert.deepEqual(statuses(begun), ['put#1 unknown']);
        assert.equal(await stage.net(gid), point === 'committed' ? 3 : 0);
        faults = {};
        await assert.rejects(service.put(gid, 3), (error: Error) => {
          assert.ok(error instanceof CallRefused);
          assert.match(error.message, /^put is refused, nothing of it was done: whether put#1 of .* call undo$/);
          return true;
        });
        assert.equal(begun.calls.length, 1);
        await begun.undo();
        assert.deepEqual(statuses(begun), ['put#1 undone']);
        assert.equal(await stage.net(gid), 0);
        await assert.rejects(
          open().participant.put.action(op(gid, 'action', { branch: 'put#1' }), [gid, 3]),
          Suspended,
        );
      });
    }

    it('tries every undo though one fails, names what is not undone, and tries that alone when it is asked again', async () => {
      const begun = open().begin(newGid());
      const { gid, service } = begun;
      await service.put(gid, 1);
      await service.tell(gid);
      await service.put(gid, 20);
      faults['accounts.tell.amends'] = 'worked';
      await assert.rejects(begun.undo(), (error: Error) => {
        assert.ok(error instanceof UndoFailed);
        assert.deepEqual(
          [error.gid, error.notUndone],
          [gid, [{ branch: 'tell#2', type: 'Error', message: 'accounts.tell.amends broke' }]],
        );
        assert.equal(error.message, `${gid} is NOT undone: tell#2 (Error: accounts.tell.amends broke)`);
        return true;
      });
      assert.deepEqual(statuses(begun), ['put#1 undone', 'tell#2 succeeded', 'put#3 undone']);
      assert.equal(await stage.net(gid), 100);
      faults = {};
      await begun.undo();
      assert.deepEqual(statuses(begun), ['put#1 undone', 'tell#2 undone', 'put#3 undone']);
      assert.equal(begun.calls[1]?.failure, undefined);
      assert.equal(await stage.net(gid), 104);
    });

    it('names what only goes forward and happened; what did not is barred', async () => {
      const begun = open().begin(newGid());
      const { gid, service } = begun;
      await service.put(gid, 1);
      await service.close(gid);
      await assert.rejects(begun.undo(), { name: 'UndoFailed', message: /NOT undone: close#2 \(Error: it only goes/ });
      assert.equal(await stage.net(gid), 1_000);

      const other = open().begin(newGid());
      faults['accounts.close.action'] = 'worked';
      await assert.rejects(other.service.close(other.gid));
      await other.undo();
      assert.deepEqual(statuses(other), ['close#1 undone']);
      assert.equal(await stage.net(other.gid), 0);
    });

    it('says that a row is gone of what had succeeded', async () => {
      const begun = open().begin(newGid());
      await begun.service.put(begun.gid, 1);
      await stage.pool.query('delete from backstitch.guard where gid = $1', [begun.gid]);
      await assert.rejects(begun.undo(), { name: 'UndoFailed', message: /put#1 \(RowGone: / });
    });

    it('refuses a call after undo was asked for, of a transaction without calls too', async () => {
      const begun = open().begin();
      const undone = begun.undo();
      await assert.rejects(begun.service.put('a', 1), {
        name: 'CallRefused',
        message: `put is refused, nothing of it was done: ${begun.gid} was undone: begin another transaction`,
      });
      await undone;
      assert.deepEqual(begun.calls, []);
    });

    it('waits for calls that run when undo is asked for, and undoes them', async () => {
      const begun = open().begin(newGid());
      const { gid, service } = begun;
      const calls = Promise.allSettled(Array.from({ length: 10 }, (_, n) => service.put(gid, n + 100)));
      assert.deepEqual(
        begun.calls.map(({ branch, status }) => [branch, status]),
        Array.from({ length: 10 }, (_, n) => [`put#${n + 1}`, 'running']),
      );
      await begun.undo();
      await calls;
      assert.deepEqual(new Set(begun.calls.map(({ status }) => status)), new Set(['undone']));
      assert.equal(await stage.net(gid), 0);
    });

    it('begins no undo before the last call has settled', async () => {
      const events: string[] = [];
      let reply: () => void = () => undefined;
      const replied = new Promise<void>((resolve) => (reply = resolve));
      const guard = createGuard(stage.db, {
        probe: async (point, { function: name }) => {
          if (point === 'before') events.push(name);
          if (point !== 'committed' || name !== 'put.action') return;
          events.push('committed');
          await replied;
          events.push('replied');
        },
      });
      const plan = {
        put: { compensation: (service: Accounts, [account]: [string, number]) => service.put(account, -4) },
      };
      const begun = transactional(guard, (sql) => new Accounts(sql), plan).begin(newGid());
      const call = begun.service.put(begun.gid, 4);
      await until(() => events.includes('committed'));
      const undone = begun.undo();
      for (let trip = 0; trip < 10; trip++) await stage.pool.query('select 1');
      reply();
      await undone;
      assert.deepEqual(events, ['put.action', 'committed', 'replied', 'put.compensation']);
      assert.deepEqual(await call, { put: 4 });
      assert.deepEqual(statuses(begun), ['put#1 undone']);
    });

    describe('whatever becomes of the objects that it was given', () => {
      /** Puts each of a list of amounts, and forgets the list. */
      const openLists = () =>
        transactional(
          createGuard(stage.db, { probe }),
          (sql) => ({
            put: async (account: string, amounts: number[]) => {
              for (const amount of amounts.splice(0)) await new Accounts(sql).put(account, amount);
            },
          }),
          {
            put: {
              compensation: (service, [account, amounts]) => {
                const back = amounts.splice(0).map((each) => -each);
                return service.put(account, back);
              },
            },
          },
        ).begin(newGid());
      it('does what it was called with, records and undoes that', async () => {
        const begun = openLists();
        const amounts = [1, 2];
        const call = begun.service.put(begun.gid, amounts);
        amounts.push(30);
        await call;
        assert.equal(await stage.net(begun.gid), 3);
        assert.deepEqual(amounts, [1, 2, 30], 'nor does it change what is its caller’s');
        amounts.push(400);
        const [row] = await rows(begun.gid);
        assert.deepEqual(
          [row?.input, begun.calls[0]?.args],
          [
            [begun.gid, [1, 2]],
            [begun.gid, [1, 2]],
          ],
        );
        await begun.undo();
        assert.equal(await stage.net(begun.gid), 0);
      });

      it('undoes it with the same arguments when an undo has failed', async () => {
        const begun = openLists();
        await begun.service.put(begun.gid, [1, 2]);
        faults['put.compensation'] = 'worked';
        await assert.rejects(begun.undo(), UndoFailed);
        faults = {};
        await begun.undo();
        assert.equal(await stage.net(begun.gid), 0);
      });
    });

    it('refuses arguments that JSON does not carry, before anything happens', async () => {
      const any = transactional(createGuard(stage.db), () => ({ take: (value: unknown) => Promise.resolve(value) }), {
        take: {},
      });
      const begun = any.begin();
      for (const value of [1n, () => 1]) {
        await assert.rejects(begun.service.take(value), { name: 'CallRefused', message: /JSON does not carry/ });
      }
      assert.deepEqual(begun.calls, []);
    });

    it('begun again under the same gid answers the same calls from its rows, and undoes them', async () => {
      const gid = newGid();
      const first = open().begin(gid); // Its process dies here.
      await first.service.put(gid, 8);
      const second = open().begin(gid);
      assert.deepEqual(await second.service.put(gid, 8), { put: 8 });
      assert.equal(await stage.net(gid), 8);
      await second.undo();
      assert.equal(await stage.net(gid), 0);

      const third = open().begin(gid);
      await assert.rejects(third.service.put(gid, 8), Suspended);
      assert.deepEqual(statuses(third), ['put#1 rejected']);
    });

    it('of another input under the same gid does nothing, and its undo leaves the other alone', async () => {
      const gid = newGid();
      await open().begin(gid).service.put(gid, 8);
      const other = open().begin(gid);
      await assert.rejects(other.service.put(gid, 9), InputMismatch);
      await other.undo();
      assert.equal(await stage.net(gid), 8);
    });
  });
});
