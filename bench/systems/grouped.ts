import { TransactionCompensated, transactionClient } from '../../src/kit/client/index.js';
import type { Database } from '../../src/kit/database/index.js';
import { adoptActivities, groupActivities, participantActivities, preloadModules } from '../../src/kit/worker/index.js';
import type { Engine } from '../engine.js';
import type { Services } from './in-process.js';
import type { System } from './system.js';
import { contract } from './with-engine.js';

/** The kit's saga in the lane grouped: the callers' calls share workflows. */
export function groupedSystem(
  engine: Engine,
  participants: Services,
  databases: Readonly<Record<string, Database>>,
): System {
  const taskQueue = 'bench-grouped';
  const order = transactionClient(engine.client, { taskQueue, eagerStart: true }).of(contract);
  let bundle: ReturnType<Engine['bundle']> | undefined;
  return {
    factor: 10,
    engine: true,
    async start() {
      bundle ??= engine.bundle('./kit/workflows', preloadModules);
      const stop = await engine.work(taskQueue, await bundle, {
        ...participantActivities({ ...participants }, { who: 'bench' }),
        ...adoptActivities(databases),
        ...groupActivities({ participants: { ...participants }, databases, who: 'bench' }),
      });
      return {
        stop,
        async place(input) {
          try {
            await order(input, { lane: 'grouped' });
            return 'done';
          } catch (error) {
            if (error instanceof TransactionCompensated && error.report.cause.type === 'OutOfStock') return 'undone';
            throw error;
          }
        },
      };
    },
  };
}
