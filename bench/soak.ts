import { DefaultLogger, Runtime } from '@temporalio/worker';
import { migrateShop } from '../src/activities/index.js';
import { startRelay } from '../src/kit/worker/index.js';
import { connectEngine } from './engine.js';
import { runProgram, say } from './program.js';
import { startBenchServers } from './servers.js';
import { openShop } from './shop.js';
import { soakCommand } from './soak/options.js';
import { faultsOf, soakTable } from './soak/report.js';
import { soak } from './soak/run.js';
import { directSystem, PATIENT } from './systems/direct.js';
import { orderSaga } from './systems/order.js';

/**
 * `npm run bench:soak`: many direct sagas in one process, with the relay of a worker; see docs/performance.md. Progress
 * goes to stderr, the result to stdout.
 */

runProgram(async () => {
  const { sagas, clients, poolSize, json } = soakCommand().parse().opts();
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const servers = await startBenchServers(poolSize, say);
  try {
    const { databases } = servers;
    await migrateShop(databases);
    await openShop(databases);
    const engine = await connectEngine(servers.temporal);
    const saga = orderSaga(databases);
    const relay = startRelay({ client: engine.client, databases: saga.databases, onWarning: say });
    try {
      const running = await directSystem(engine, saga, PATIENT).start();
      const report = await soak({
        ...{ running, databases, sagas, clients },
        onTenth: (tenth) => say(`${tenth.sagas} of ${sagas}: ${tenth.perSecond.toFixed(0)} sagas/s`),
      });
      const faults = faultsOf(report);
      for (const line of json ? [JSON.stringify(report, null, 2)] : soakTable(report)) console.log(line);
      for (const fault of faults) say(fault);
      return faults.length === 0;
    } finally {
      await relay.stop();
      await engine.close();
    }
  } finally {
    await servers.stop();
  }
});
