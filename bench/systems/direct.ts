import { TransactionCompensated, transactionClient } from '../../src/kit/client/index.js';
import { directLane, type DirectLaneOptions } from '../../src/kit/direct/index.js';
import type { Engine } from '../engine.js';
import type { KitSaga, System } from './system.js';

/**
 * Limits for measurements in which a call may wait long: with more clients than connections, or where a machine that is slow
 * for a moment is no trouble. Milliseconds.
 */
export const PATIENT = { callMs: 30_000, takeOverMs: 120_000 };

/**
 * The kit's saga, driven by this process; a hand-over to a workflow would be an error of the benchmark.
 *
 * @param limits default: the lane's own
 */
export function directSystem<Order>(
  { client }: Pick<Engine, 'client'>,
  { contract, saga, participants, databases, refusal }: KitSaga<Order>,
  limits: Pick<DirectLaneOptions, 'callMs' | 'takeOverMs'> = {},
): System<Order> {
  return {
    factor: 10,
    engine: false,
    start() {
      const handedOver = new Map<string, Error>();
      const direct = directLane({
        ...limits,
        sagas: { [contract.workflow]: saga },
        participants,
        databases,
        onHandOver: (gid, why) => handedOver.set(gid, why),
      });
      const order = transactionClient(client, { taskQueue: 'bench-direct', direct }).of(contract);
      return Promise.resolve({
        stop: () => Promise.resolve(),
        async place(input) {
          try {
            // No worker takes over: what is handed over would be waited for.
            await order(input, { lane: 'direct', wait: '1 minute' });
            return 'done';
          } catch (error) {
            if (error instanceof TransactionCompensated && error.report.cause.type === refusal) return 'undone';
            const [first] = handedOver;
            if (first !== undefined)
              throw new Error(`${first[0]} was handed over: ${first[1].message}`, { cause: error });
            throw error;
          }
        },
      });
    },
  };
}
