import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ADOPT_ACTIVITY, APPLIED_ACTIVITY, CLOSE_ACTIVITY, type Adopted } from '../../../src/kit/workflow/fate.js';
import { succeed } from './support/letters.js';
import { SagaWorld } from './support/saga-world.js';

describe('a saga that takes over', () => {
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  it('undoes what was being undone, however long its database was away: the window counts from when it could', async () => {
    const taskQueue = `adopt-${randomUUID()}`;
    const now = () => world.environment.currentTimeMs();
    const until = (await now()) + 3_600_000;
    const stop = await world.startWorker(taskQueue, {
      [ADOPT_ACTIVITY]: async (): Promise<Adopted> => {
        if ((await now()) < until) throw new Error('the database is away');
        const cause = { type: 'Refused', message: 'no', step: 'c' };
        return { state: 'undoing', beganAt: Date.now(), cause };
      },
      [APPLIED_ACTIVITY]: () => [],
      [CLOSE_ACTIVITY]: () => undefined,
    });
    const handle = await world.start(
      'steps',
      { 'look at a': succeed, 'look at b': succeed },
      { adopt: { home: 'letters' } },
      { taskQueue },
    );
    const { report } = await world.end(handle);
    await stop();
    assert.ok((await now()) >= until);
    assert.deepEqual([report?.state, report?.cause.type, report?.undone.length], ['compensated', 'Refused', 2]);
  });
});
