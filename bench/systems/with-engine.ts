import { randomUUID } from 'node:crypto';
import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client';
import { TransactionCompensated, transactionClient } from '../../src/kit/client/index.js';
import type { Database } from '../../src/kit/database/index.js';
import { alarmActivities, logActivities, participantActivities, preloadModules } from '../../src/kit/worker/index.js';
import type { collectLog, Lane } from '../../src/kit/workflow/index.js';
import type { Engine } from '../engine.js';
import { createActivities } from '../hand-written/activities.js';
import type { handWrittenOrder } from '../hand-written/workflows.js';
import type { Services } from './in-process.js';
import type { KitSaga, System } from './system.js';

/** The saga that is written by hand: a plain client, a plain workflow, activities with a dedup row. */
export function handWrittenSystem(engine: Engine, services: Services): System {
  const taskQueue = 'bench-hand-written';
  return {
    factor: 1,
    engine: true,
    async start() {
      const bundle = await engine.bundle('./hand-written/workflows', ['@temporalio/workflow']);
      const stop = await engine.work(taskQueue, bundle, createActivities(services));
      return {
        stop,
        history: engine.history,
        async place(order) {
          try {
            await engine.client.workflow.execute<typeof handWrittenOrder>('handWrittenOrder', {
              workflowId: order.orderId,
              taskQueue,
              args: [order],
              workflowIdReusePolicy: 'REJECT_DUPLICATE',
            });
            return 'done';
          } catch (error) {
            if (isOutOfStock(error)) return 'undone';
            throw error;
          }
        },
      };
    },
  };
}

function isOutOfStock(error: unknown): boolean {
  const cause = error instanceof WorkflowFailedError ? error.cause?.cause : undefined;
  return cause instanceof ApplicationFailure && cause.type === 'OutOfStock';
}

/** What the log is kept from and in. */
export interface KeptLog {
  readonly databases: Readonly<Record<string, Database>>;
  readonly operations: Database;
}

/** After so many sagas the log is collected: more often than the schedule does, which is once a minute. */
const COLLECT_EACH = 450;

/**
 * The kit's saga, started and waited for by the kit's client.
 *
 * @param kept with the log kept, and alarms on
 */
export function kitSystem<Order>(
  engine: Engine,
  { contract, workflows, participants, refusal }: KitSaga<Order>,
  lane: Lane,
  kept?: KeptLog,
): System<Order> {
  const taskQueue = `bench-${lane}`;
  const transactions = transactionClient(engine.client, { taskQueue, eagerStart: true });
  const order = transactions.of(contract);
  const options = lane === 'durable' ? {} : { lane };
  return {
    factor: lane === 'lean' ? 2 : 1,
    engine: true,
    async start() {
      const bundle = await engine.bundle(workflows, preloadModules);
      const { client } = engine;
      const stop = await engine.work(taskQueue, bundle, {
        ...participantActivities(participants, { who: 'bench' }),
        ...alarmActivities(),
        ...(kept && logActivities({ client, ...kept })),
      });
      let placed = 0;
      let collected: Promise<unknown> = Promise.resolve();
      const collect = () => {
        collected = collected.then(() =>
          client.workflow.execute<typeof collectLog>('collectLog', {
            taskQueue,
            workflowId: `collect-${randomUUID()}`,
          }),
        );
      };
      return {
        history: engine.history,
        async stop() {
          await collected;
          await stop();
        },
        async place(input) {
          if (kept && ++placed % COLLECT_EACH === 0) collect();
          try {
            await order(input, options);
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
