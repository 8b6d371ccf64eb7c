import { TransactionCompensated, transactionClient } from '../../src/kit/client/index.js';
import { adoptActivities, groupActivities, participantActivities, preloadModules } from '../../src/kit/worker/index.js';
import type { Engine } from '../engine.js';
import type { KitSaga, System } from './system.js';

/** The kit's saga in the lane grouped: the callers' calls share workflows. */
export function groupedSystem<Order>(
  engine: Engine,
  { contract, workflows, participants, databases, refusal }: KitSaga<Order>,
): System<Order> {
  const taskQueue = 'bench-grouped';
  const order = transactionClient(engine.client, { taskQueue, eagerStart: true }).of(contract);
  let bundle: ReturnType<Engine['bundle']> | undefined;
  return {
    factor: 10,
    engine: true,
    async start() {
      bundle ??= engine.bundle(workflows, preloadModules);
      const stop = await engine.work(taskQueue, await bundle, {
        ...participantActivities(participants, { who: 'bench' }),
        ...adoptActivities(databases),
        ...groupActivities({ participants, databases, who: 'bench' }),
      });
      return {
        stop,
        async place(input) {
          try {
            await order(input, { lane: 'grouped' });
            return 'done';
          } catch (error) {
            if (error instanceof TransactionCompensated && error.report.cause.type === refusal) return 'undone';
            throw error;
          }
        },
      };
    },
  };
}
