import assert from 'node:assert/strict';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createGuard } from '../../../src/kit/database/index.js';
import { adoptActivities } from '../../../src/kit/worker/index.js';
import { groupDriver, type Adopted, type AppliedStep } from '../../../src/kit/workflow/fate.js';
import { add, newGid, op, Stage } from '../database/support/stage.js';

describe('a workflow that takes a transaction over from a group', () => {
  const stage = new Stage();

  /** Does steps as one driver, the first of which opens the transaction for its group. */
  const doSteps = async (gid: string, driver: string, steps: readonly string[], opens = true) => {
    const guard = createGuard(stage.db);
    for (const [index, branch] of steps.entries()) {
      const opening = { transaction: 'order', inputHash: 'hash', written: () => undefined };
      const more = { branch, driver, seq: index + 1, ...(opens && index === 0 && { opening }) };
      await guard.apply(op(gid, 'action', more), { branch }, add(gid, 1));
    }
  };
  const activities = () => adoptActivities({ shop: stage.db });
  const adopt = async (gid: string): Promise<void> => {
    const adopted: Adopted = await new MockActivityEnvironment().run(activities()['backstitch.adopt'], {
      ...{ gid, home: 'shop', transaction: 'order', inputHash: 'hash' },
    });
    assert.ok('state' in adopted && adopted.state === 'running');
  };
  const applied = async (gid: string): Promise<string[]> => {
    const steps: AppliedStep[] = await activities()['backstitch.applied']({ gid, homes: ['shop'] });
    return steps.map(({ branch }) => branch).sort();
  };

  it('knows all that the member has done: its own release may have other steps', async () => {
    const gid = newGid();
    await doSteps(gid, groupDriver('group', 0), ['create', 'pay']);
    await adopt(gid);
    assert.deepEqual(await applied(gid), ['create', 'pay']);
    // Once more, as it meets another driver's row there.
    await adopt(gid);
    assert.deepEqual(await applied(gid), ['create', 'pay']);
  });

  it('takes nothing for its own that another group has done under the same gid', async () => {
    const gid = newGid();
    await doSteps(gid, groupDriver('group', 0), ['create']);
    await doSteps(gid, groupDriver('group', 1), ['elsewhere'], false);
    await adopt(gid);
    assert.deepEqual(await applied(gid), ['create']);
  });
});
