import assert from 'node:assert/strict';
import {
  createGuard,
  createSemanticLock,
  guardMigrations,
  migrate,
  ObjectLocked,
  Rejection,
  semanticLockSteps,
} from '../../../../src/kit/database/index.js';
import { fresh, LockStage } from '../idempotency/stage.js';
import { newGid, op } from '../support/stage.js';

describe('a semantic lock', () => {
  const stage = new LockStage();
  const lock = createSemanticLock({ table: 'accounts', key: 'id', only: `status = 'open'`, tells: 'balance' });
  before(() => migrate(stage.db, 'guard', guardMigrations));
  const account = async (status = 'open') => {
    const id = fresh('locked');
    await stage.db.run('insert into accounts (id, balance, status) values ($1, 100, $2)', [id, status]);
    return id;
  };
  const steps = () =>
    semanticLockSteps<string>({
      guard: createGuard(stage.db),
      lock,
      keyOf: (id) => id,
      nameOf: (id) => `account ${String(id)}`,
    });
  const holder = async (id: string) =>
    (await stage.one<{ locked_by: string | null }>('select locked_by from accounts where id = $1', id)).locked_by;

  it('is one transaction’s of many at once, until that lets it go; nobody lets go another’s', async () => {
    const [id, gids] = [await account(), Array.from({ length: 10 }, newGid)];
    const all = await Promise.allSettled(
      gids.map((gid) => steps().lock.action(op(gid, 'action', { branch: 'lock' }), id)),
    );
    const got = gids.filter((_, place) => all[place]?.status === 'fulfilled');
    assert.equal(got.length, 1);
    const [mine = ''] = got;
    assert.equal(await holder(id), mine);
    for (const each of all) assert.ok(each.status === 'fulfilled' || each.reason instanceof ObjectLocked);
    const other = gids.find((gid) => gid !== mine) ?? '';
    await stage.db.transaction((sql) => lock.release(sql, other, id));
    assert.equal(await holder(id), mine);
    await steps().unlock.action(op(mine, 'action', { branch: 'unlock' }), id);
    assert.equal(await holder(id), null);
    // The other asks again.
    await steps().lock.action(op(other, 'action', { branch: 'lock' }), id);
    assert.equal(await holder(id), other);
    await steps().lock.compensation(op(other, 'compensation', { branch: 'lock' }), id);
    assert.equal(await holder(id), null);
  });

  it('is taken twice by one transaction, tells what the object is like, and refuses what cannot be locked', async () => {
    const id = await account();
    const gid = newGid();
    const take = () => stage.db.transaction((sql) => lock.take<{ balance: number }>(sql, gid, id));
    assert.deepEqual([(await take())?.lockedBy, (await take())?.lockedBy], [null, gid]);
    assert.equal((await take())?.balance, 100);
    const closed = await account('closed');
    const refused = (key: string) => steps().lock.action(op(newGid(), 'action', { branch: 'lock' }), key);
    await assert.rejects(refused(closed), (error: Error) => error instanceof Rejection && error.type === 'NotLockable');
    await assert.rejects(refused('nobody'), (error: Error) => error instanceof Rejection && error.type === 'NotFound');
  });
});
