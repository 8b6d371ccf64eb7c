import assert from 'node:assert/strict';
import type { GroupResult } from '../../../src/kit/workflow/group.js';
import { SagaWorld } from './support/saga-world.js';

describe('the workflow of a group', function () {
  this.timeout(60_000);
  let world: SagaWorld;
  before(async () => {
    world = await SagaWorld.open();
  });
  after(() => world.close());

  it('answers with no more results than fit, in bytes: the others leave, and have theirs', async () => {
    const members = [1, 2, 3].map((each) => ({ gid: `wordy-${each}`, input: null, inputHash: 'hash' }));
    const { result } = await world.run('wordy', {}, { group: { members } });
    const outcomes = (result as GroupResult).members;
    assert.deepEqual(
      outcomes.map(({ how }) => how),
      ['ended', 'left', 'left'],
    );
    const left = world.environment.client.workflow.getHandle('wordy-2');
    assert.equal(((await left.result()) as string).length, 200_000);
  });
});
