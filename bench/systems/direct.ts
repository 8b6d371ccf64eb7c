import { TransactionCompensated, transactionClient } from '../../src/kit/client/index.js';
import type { Database } from '../../src/kit/database/index.js';
import { directLane } from '../../src/kit/direct/index.js';
import type { Engine } from '../engine.js';
import { kitOrder } from '../kit/workflows.js';
import type { Services } from './in-process.js';
import type { System } from './system.js';
import { contract } from './with-engine.js';

/** The kit's saga, driven by this process; a hand-over to a workflow would be an error of the benchmark. */
export function directSystem(
  { client }: Engine,
  participants: Services,
  databases: Readonly<Record<keyof Services, Database>>,
): System {
  return {
    factor: 10,
    engine: false,
    start() {
      const direct = directLane({
        sagas: { kitOrder },
        participants: { ...participants },
        databases,
        onHandOver: (gid, why) => {
          throw new Error(`${gid} was handed over: ${why.message}`);
        },
      });
      const order = transactionClient(client, { taskQueue: 'bench-direct', direct }).of(contract);
      return Promise.resolve({
        stop: () => Promise.resolve(),
        async place(input) {
          try {
            await order(input, { lane: 'direct' });
            return 'done';
          } catch (error) {
            if (error instanceof TransactionCompensated && error.report.cause.type === 'OutOfStock') return 'undone';
            throw error;
          }
        },
      });
    },
  };
}
