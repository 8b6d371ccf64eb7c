import { Logger, run, runMigrations, type Runner } from 'graphile-worker';
import type { MessageStage, MessageSystem } from './system.js';

/** graphile-worker, with the settings that its documentation gives for speed; each key is a queue of its own. */
export function graphileSystem({ producer, consumer }: MessageStage): MessageSystem {
  const logger = new Logger(() => () => undefined);
  let runner: Runner | undefined;
  return {
    async open() {
      await runMigrations({ pgPool: producer, logger });
      await consumer.query('create table if not exists seen (id text primary key)');
    },
    async produce(id, key) {
      const client = await producer.connect();
      try {
        await client.query('begin');
        await client.query('insert into sales (id) values ($1)', [id]);
        await client.query(
          "select graphile_worker.add_job('sold', json_build_object('id', $1::integer), queue_name => $2)",
          [id, key],
        );
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      } finally {
        client.release();
      }
    },
    async start(onHandled) {
      runner = await run({
        pgPool: producer,
        logger,
        noHandleSignals: true,
        pollInterval: 1_000,
        concurrency: 24,
        preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0, localQueue: { size: 500 } } },
        taskList: {
          async sold(payload) {
            const { id } = payload as { id: number };
            // One statement, one round trip, one transaction.
            await consumer.query(
              'with first as (insert into seen (id) values ($1) on conflict do nothing returning 1) insert into effects (id) select $2 from first',
              [String(id), id],
            );
            onHandled(id);
          },
        },
      });
    },
    async stop() {
      await runner?.stop();
    },
    async fill(count) {
      await producer.query(
        `select graphile_worker.add_jobs(array_agg(j)) from (
           select ('sold', json_build_object('id', n), null, now() + interval '30 days', null, null, null, null)::graphile_worker.job_spec as j
           from generate_series(1, $1::integer) n
         ) jobs`,
        [count],
      );
      await producer.query('vacuum analyze');
    },
  };
}
