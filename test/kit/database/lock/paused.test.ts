import { createLeaseLock } from '../../../../src/kit/database/index.js';
import { LockStage } from '../idempotency/stage.js';
import { pausedTests } from './paused.js';

describe('a paused holder of a lease in a database', function () {
  this.timeout(60_000);
  const stage = new LockStage();
  pausedTests(stage, { lock: () => createLeaseLock(stage.db, { waitMs: 60_000 }), env: () => ({}) });
});
