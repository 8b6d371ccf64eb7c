import assert from 'node:assert/strict';
import { Client, type Connection } from '@temporalio/client';
import pg from 'pg';
import { centsInFlight, readBank } from '../../src/activities/banks/books.js';
import { OPEN_ACCOUNTS } from '../../src/activities/banks/sql.js';
import { serviceNames } from '../../src/activities/index.js';
import { transfer2pcTransaction } from '../../src/contracts/transactions.js';
import { bankNames, type Transfer } from '../../src/contracts/transfer.js';
import { TransactionCompensated, transactionClient } from '../../src/kit/client/index.js';
import { listInDoubt, pgDatabase } from '../../src/kit/database/index.js';
import { Program } from '../support/program.js';
import { temporalAddress, testDatabase, type TestDatabase } from '../support/servers.js';
import { itSideBySide } from '../support/side-by-side.js';
import { transpiled } from '../support/transpiled.js';
import { connectTo } from '../support/connection.js';

const CENTS = 10_000;

/** Where it dies, and what is then prepared, and on its way, in cents. */
const cases = [
  { when: 'between two prepares', fault: 'bank_b.move.prepare', prepared: 2, inFlight: 0, moves: true },
  { when: 'between two commits', fault: 'bank_a.move.commit', prepared: 2, inFlight: 300, moves: true },
  { when: 'between two rollbacks', fault: 'bank_a.move.rollback', prepared: 1, inFlight: 0, moves: false },
] as const;

describe('a worker that is killed in a two-phase commit', function () {
  this.timeout(180_000);
  const databases: TestDatabase[] = [];
  const pools: pg.Pool[] = [];
  const workers: Program[] = [];
  let connection: Connection;

  before(async () => {
    connection = await connectTo(await temporalAddress());
  });
  after(async () => {
    for (const worker of workers) worker.kill('SIGTERM');
    await Promise.all(workers.map((worker) => worker.ended));
    await Promise.all(pools.map((pool) => pool.end()));
    await connection.close();
    for (const database of databases) await database.drop();
  });

  itSideBySide(
    cases,
    ({ when }) => `${when} loses no money: another one ends it`,
    async ({ fault, prepared, inFlight, moves }) => {
      const taskQueue = `killed-${fault}-${process.pid}`;
      const env: NodeJS.ProcessEnv = { TEMPORAL_ADDRESS: await temporalAddress(), BACKSTITCH_TASK_QUEUE: taskQueue };
      for (const service of serviceNames) {
        const database = await testDatabase(service);
        databases.push(database);
        env[`DATABASE_URL_${service.toUpperCase()}`] = database.url;
      }
      const start = async (...faults: string[]) => {
        const worker = new Program(transpiled('src/worker.ts'), [], { ...env, BACKSTITCH_FAULTS: faults.join(',') });
        workers.push(worker);
        await worker.printed(/serving task queue/);
        return worker;
      };
      // The others of its phase are held up, so that one alone is done when it dies.
      const [, , phase] = fault.split('.');
      const others = phase === 'prepare' ? [] : bankNames.filter((bank) => !fault.startsWith(bank));
      const refusal = moves ? [] : ['bank_c.move.prepare:refuse'];
      const first = await start(
        `${fault}:kill-after-commit`,
        ...others.map((bank) => `${bank}.move.${phase}:hang`),
        ...refusal,
      );

      const banks = bankNames.map((bank) => {
        const pool = new pg.Pool({ connectionString: env[`DATABASE_URL_${bank.toUpperCase()}`], max: 1 });
        pools.push(pool);
        const database = pgDatabase(pool);
        return { database, reader: readBank(bank, database) };
      });
      for (const { database } of banks) await database.run(OPEN_ACCOUNTS, [['alice'], CENTS]);
      /** How many are prepared, what is on its way, and all money. */
      const look = async () => {
        const found = await Promise.all(banks.map(({ database }) => listInDoubt(database, { olderThanMs: 0 })));
        const totals = await Promise.all(banks.map(({ reader }) => reader.totals()));
        const flight = Number(await centsInFlight(banks.map(({ reader }) => reader)));
        return [found.flat().length, flight, totals.reduce((sum, { balances }) => sum + Number(balances), flight)];
      };

      const input: Transfer = {
        id: `${fault}-${process.pid}`,
        from: [
          { bank: 'bank_a', account: 'alice', amount: 300 },
          { bank: 'bank_b', account: 'alice', amount: 500 },
        ],
        to: [{ bank: 'bank_c', account: 'alice', amount: 800 }],
      };
      const transfer = transactionClient(new Client({ connection }), { taskQueue }).of(transfer2pcTransaction);
      // The worker is missing for longer than ten seconds.
      const options = { deadline: '2 minutes' } as const;
      await transfer.start(input, options);
      assert.equal(await first.ended, 'SIGKILL');
      assert.deepEqual(await look(), [prepared, inFlight, 3 * CENTS]);

      await start(...refusal);
      if (moves) assert.deepEqual(await transfer(input, options), { id: input.id, amount: 800 });
      else await assert.rejects(transfer(input, options), TransactionCompensated);
      assert.deepEqual(await look(), [0, 0, 3 * CENTS]);
    },
  );
});
